/**
 * What nearly every container's life writes down, for nothing, while its monitor waits to be told of it: statements are
 * prepared, and code that runs once has been run. A millisecond less between the request and the command's start.
 */
import type { Database } from "bun:sqlite";
import { allot } from "../network/allocate.ts";
import type { ContainerConfig } from "../store/container-config.ts";
import { type ContainerRecord, claimForRemoval, claimForStart, deleteContainer, recordExit, recordRunning } from "../store/containers.ts";
import { rehearse } from "../store/database.ts";
import { type Endpoint, endpointsOf, listNetworks, portsOf, releaseNetworking } from "../store/networks.ts";
import { ownAnonymousVolumes } from "../store/volumes.ts";

// Of no container.
const RECORD = { id: "", status: "running", config: { mounts: [] as ContainerConfig["mounts"] } } as ContainerRecord;
const ENDPOINT: Endpoint = {
  containerId: "",
  network: {
    id: "",
    name: "",
    createdAt: 0,
    config: { driver: "bridge", bridge: "", internal: false, subnet: "10.0.0.0/8", gateway: "10.0.0.1", labels: {}, options: {} },
  },
  config: { aliases: [] },
  address: undefined,
  address6: undefined,
  mac: undefined,
};

/** Changes nothing, and finds nothing. */
export function rehearseLife(db: Database): void {
  const { id } = RECORD;
  rehearse(() => {
    claimForStart(db, id, false);
    endpointsOf(db, id);
    allot(db, ENDPOINT);
    listNetworks(db);
    recordRunning(db, id, 0, 0);
    portsOf(db, id);
    releaseNetworking(db, id);
    recordExit(db, RECORD, { exitCode: 0, oomKilled: false, error: "" });
    claimForRemoval(db, RECORD, true);
    ownAnonymousVolumes(db, id);
    deleteContainer(db, id);
  });
}
