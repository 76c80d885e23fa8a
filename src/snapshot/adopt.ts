/** What a process that goes on from a snapshot is to know of itself: the maker's arguments and variables are not its own. */
import { forgetAll } from "../../ffi/adopted.ts";
import { readFileSync } from "../../ffi/files.ts";
import { call, setVariable } from "../../ffi/libc.ts";
import { ptr } from "../../ffi/native.ts";
import { MONITOR_VARIABLE } from "../monitor/environment.ts";
import { Variables } from "./variables.ts";

/** What a snapshot is entered by, and what the loader then leaves there (ffi/restore.h); 64-bit words. */
export class Passed {
  // Memory that stays where it is: that of a typed array made by its length moves when it is looked at closely.
  readonly memory = new BigUint64Array(new ArrayBuffer(32)).fill(BigInt.asUintN(64, -1n));
  readonly address = ptr(this.memory) as number;

  get stack(): bigint {
    return this.memory[0] as bigint;
  }
  get resume(): bigint {
    return this.memory[1] as bigint;
  }
  /** Of what the loader leaves. */
  get given(): bigint {
    return BigInt(this.address + 16);
  }
  /** To the monitor that the loader has launched, -1 where it has not. */
  get connection(): number {
    return Number(BigInt.asIntN(64, this.memory[2] as bigint));
  }
  /** When the process started, in nanoseconds of CLOCK_MONOTONIC. */
  get start(): bigint {
    return this.memory[3] as bigint;
  }
}

/** A process that has gone on from a snapshot. */
export interface Adopted {
  /** Milliseconds since 1970, as `performance.timeOrigin` of one that has not. */
  startedAt: number;
}

// What fetch asks for: certificates by getenv(3), of which `process.env` knows nothing, and of what Bun has as its own, proxies.
const READ_BY_LIBRARIES = /\0(?:NODE_|SSL_)[^=\0]*=/g;
const READ_BY_BUN = /\0[^=\0]*_proxy=/gi;
const bunEnvironment = process.env;
const bunFetch = globalThis.fetch;

function prepareFetch(variables: Variables): void {
  for (const name of variables.names(READ_BY_LIBRARIES)) setVariable(name, variables.find(name) as string);
  for (const name of variables.names(READ_BY_BUN)) bunEnvironment[name] = variables.find(name);
}

const strings = (path: string) => readFileSync(path, "utf8").split("\0");

/**
 * Makes `process` this process's. A maker does it, too: it is as quick as all that has been done before, for who goes on from
 * there.
 */
export function adopt(passed: Passed): Adopted {
  const [argv0 = "", ...args] = strings("/proc/self/cmdline").slice(0, -1);
  process.argv.splice(2, process.argv.length, ...args);
  const own = (value: unknown) => ({ value, configurable: true });
  Object.defineProperties(process, { argv0: own(argv0), pid: own(call("getpid")) });
  const variables = new Variables(readFileSync("/proc/self/environ", "utf8"));
  const zone = variables.find("TZ");
  if (zone !== undefined) setVariable("TZ", zone);
  globalThis.fetch = ((...request: Parameters<typeof fetch>) => {
    prepareFetch(variables);
    globalThis.fetch = bunFetch;
    return bunFetch(...request);
  }) as typeof fetch;
  const set = passed.connection >= 0 ? { [MONITOR_VARIABLE]: String(passed.connection) } : {};
  Object.defineProperty(process, "env", own(new Proxy(set, variables)));
  forgetAll();
  return { startedAt: Date.now() - Number(clock() - passed.start) / 1e6 };
}

// CLOCK_MONOTONIC.
function clock(): bigint {
  const time = new BigInt64Array(2);
  call("clock_gettime", 1, time);
  return (time[0] as bigint) * 1_000_000_000n + (time[1] as bigint);
}
