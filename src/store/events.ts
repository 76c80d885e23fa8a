/** What happened: written with what changed, in one transaction; the last of it is kept. */
import type { Database } from "bun:sqlite";
import type { ContainerRecord } from "./containers.ts";
import { all, change, first, run } from "./database.ts";

export type EventType = "container" | "image" | "network" | "pod" | "volume";

export interface StoredEvent {
  /** Rises with every event. */
  sequence: number;
  /** Microseconds since 1970. */
  time: number;
  type: EventType;
  /** Docker's word. */
  action: string;
  /** Id, or a volume's name. */
  actor: string;
  attributes: Record<string, string>;
}

/** How many are kept at least, and after how many more the older ones go. */
const KEPT = 10_000;
const SLACK = 500;

const INSERT = "INSERT INTO events (time, type, action, actor, attributes)";
// For a container: its labels, its image and its name.
const CONTAINER_ATTRIBUTES = `json_patch(
  coalesce(json_extract(config, '$.labels'), '{}'),
  json_object('image', json_extract(config, '$.image'), 'name', name))`;

// No finer: two processes' clocks agree on milliseconds only, and the order is the sequence's.
const now = () => Date.now() * 1000;

/** Adds an event. */
export function addEvent(db: Database, type: EventType, action: string, actor: string, attributes: Record<string, string>): void {
  insert(db, `${INSERT} VALUES (?, ?, ?, ?, ?)`, now(), type, action, actor, JSON.stringify(attributes));
}

/** Adds an event of a container that has a record; or several, in one write. */
export function addContainerEvent(db: Database, id: string, action: string | string[], attributes: Record<string, string> = {}): void {
  insert(
    db,
    `${INSERT} SELECT ?, 'container', value, containers.id, json_patch(${CONTAINER_ATTRIBUTES}, ?) FROM json_each(?), containers WHERE containers.id = ?`,
    now(),
    JSON.stringify(attributes),
    JSON.stringify([action].flat()),
    id,
  );
}

/** Adds an event for each volume of a container that starts or ended. */
export function addMountEvents(db: Database, { id, config }: Pick<ContainerRecord, "id" | "config">, action: "mount" | "unmount"): void {
  if (!config.mounts.some(({ type }) => type === "volume")) return;
  insert(
    db,
    `${INSERT} SELECT ?1, 'volume', ?2, json_extract(m.value, '$.name'),
       CASE ?2 WHEN 'mount' THEN json_object('container', containers.id, 'destination', json_extract(m.value, '$.target'), 'driver', 'local',
         'propagation', '', 'read/write', iif(json_extract(m.value, '$.readOnly'), 'false', 'true'))
       ELSE json_object('container', containers.id, 'driver', 'local') END
     FROM containers, json_each(config, '$.mounts') m WHERE containers.id = ?3 AND json_extract(m.value, '$.type') = 'volume'`,
    now(),
    action,
    id,
  );
}

/** Adds an event of a container's coming or going on a network. */
export function addNetworkEvent(db: Database, action: "connect" | "disconnect", networkId: string, containerId: string): void {
  insert(
    db,
    `${INSERT} SELECT ?, 'network', ?, id, json_object('container', ?, 'name', name, 'type', json_extract(config, '$.driver')) FROM networks WHERE id = ?`,
    now(),
    action,
    containerId,
    networkId,
  );
}

// One that stands alone tells of what was done already: a full disk does not undo that.
function insert(db: Database, sql: string, ...params: (string | number)[]): void {
  try {
    insertOrThrow(db, sql, params);
  } catch (error) {
    if (db.inTransaction || (error as { code?: string }).code !== "SQLITE_FULL") throw error;
  }
}

function insertOrThrow(db: Database, sql: string, params: (string | number)[]): void {
  const { changes, last } = run(db, sql, ...params);
  if (last % SLACK < changes) change(db, "DELETE FROM events WHERE sequence <= ?", last - KEPT);
}

interface Row extends Omit<StoredEvent, "attributes"> {
  attributes: string;
}

/** Events after one, in order. */
export function eventsAfter(db: Database, sequence: number): StoredEvent[] {
  return all<Row>(db, "SELECT * FROM events WHERE sequence > ? ORDER BY sequence", sequence).map((row) => ({
    ...row,
    attributes: JSON.parse(row.attributes),
  }));
}

/** Of the youngest event; 0 where there was none. */
export function lastSequence(db: Database): number {
  return first<{ last: number }>(db, "SELECT coalesce(max(sequence), 0) AS last FROM events")?.last ?? 0;
}
