/** When a container is started again, and how soon; docker's rules (moby, restartmanager). */

import type { RestartPolicy } from "../store/container-config.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { ENGINE_LAYOUT, ROOTLESS_ALIVE, ROOTLESS_UID } from "../store/layout.ts";
import { keepNamespace } from "./user-namespace.ts";

/** Milliseconds: the first wait, the longest one, and how long it must live for the next wait to be the first again. */
const FIRST_DELAY = 100;
const MAX_DELAY = 60_000;
const STEADY = 10_000;

/** Milliseconds before the next start; undefined where there is none. */
export function restartDelay(record: ContainerRecord, exitCode: number): number | undefined {
  const { config, stopRequested, restartCount, startedAt = 0 } = record;
  if (stopRequested || !wantsRestart(config.restart, exitCode, restartCount)) return undefined;
  if (Date.now() - startedAt >= STEADY || record.restartDelay === 0) return FIRST_DELAY;
  return Math.min(MAX_DELAY, record.restartDelay * 2);
}

function wantsRestart(policy: RestartPolicy | undefined, exitCode: number, count: number): boolean {
  switch (policy?.name) {
    case "always":
    case "unless-stopped":
      return true;
    case "on-failure":
      return exitCode !== 0 && (policy.maximum === 0 || count < policy.maximum);
    default:
      return false;
  }
}

/** Set for a command that starts a container because of its policy. */
export const IS_RESTART = "BERTH_IS_RESTART";

/** Starts a container as the command line does, with a monitor of its own. Gives the command's process, which is who works on it from now on. */
export function startAgain(id: string, layout: [data: string, run: string]): number {
  const kept = [ROOTLESS_ALIVE, ROOTLESS_UID, "PATH"].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  using alive = keepNamespace(); // until its own monitor does
  const child = Bun.spawn(["/proc/self/exe", "start", id], {
    argv0: "berth",
    cwd: "/",
    env: { ...Object.fromEntries(kept), [IS_RESTART]: "1", [ENGINE_LAYOUT]: JSON.stringify(layout) },
    detached: true,
    stdio: ["ignore", "ignore", "ignore", ...(alive ? [alive.fd] : [])],
  });
  child.unref();
  return child.pid;
}
