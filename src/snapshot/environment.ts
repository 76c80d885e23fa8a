/** What snapshots are called and how their makers start, for ffi/loader.c too. */
import { MONITOR_ENVIRONMENT } from "../monitor/environment.ts";

/** A maker's first argument; its others are the kind and the path. */
export const SNAPSHOT_NAME = "berth-snapshot";

/** Of a process that proves that a snapshot works here; its other argument is the path. */
export const TRIAL_NAME = "berth-snapshot-trial";

/** The first number of what Bun opens as it starts up: those below are left to whoever starts a process. */
export const FIRST_OWN_DESCRIPTOR = 800;

/** Bytes. */
export const PAGE = 4096;

/** Whole pages. */
export interface Range {
  address: number;
  length: number;
}

/** From one address to another. */
export interface Area {
  start: number;
  end: number;
}

/** How many processes there are: those that the command line starts in, and monitors. */
export type SnapshotKind = "command" | "monitor";

// Nothing may be due that was to be done a while after the start: whoever goes on here does so much later. No timers of the
// garbage collector's (JSC's Options.h: they wait for as long as it takes a collection to be so small a part of the time),
// nothing of the allocator's when a thread is idle, no threads. And what the C library registers with the kernel (rseq(2))
// cannot be asked for.
const COMMON = {
  BUN_GC_TIMER_DISABLE: "1",
  BUN_JSC_percentCPUPerMBForEdenTimer: "0.000000001",
  BUN_JSC_percentCPUPerMBForFullTimer: "0.000000001",
  BUN_JSC_useConcurrentGC: "0",
  BUN_JSC_useConcurrentJIT: "0",
  BUN_JSC_numberOfGCMarkers: "1",
  GLIBC_TUNABLES: "glibc.pthread.rseq=0",
  MIMALLOC_PURGE_HOLES: "0",
  MIMALLOC_SCAVENGER: "0",
};

/** What a maker starts with, and whoever goes on where it was has started with. */
export const SNAPSHOT_ENVIRONMENT: Record<SnapshotKind, Record<string, string>> = {
  // Code that was run in the maker is on its way to being compiled.
  command: { ...COMMON, BUN_JSC_thresholdForJITAfterWarmUp: "100000" },
  monitor: { ...MONITOR_ENVIRONMENT, ...COMMON, BUN_JSC_thresholdForJITAfterWarmUp: "100000" },
};
