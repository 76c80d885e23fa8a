/** What a monitor is started with, by src/engine/launch-monitor.ts or, before Bun is there, by ffi/loader.c. */

/** A monitor's first argument: what else a record names does not expect to be told. */
export const MONITOR_NAME = "berth-monitor";

/** Where the loader has launched one: the number of the descriptor that is connected to it. */
export const MONITOR_VARIABLE = "BERTH_MONITOR";

/** A monitor's second argument where its container gave it nothing to do for a while: see resting.ts. */
export const RESTING = "resting";

/** What the loader makes of that word when it goes on, and where a command wants it to look at its record. As long as it is. */
export const RESUMED = "resumed";
export const CHANGED = "changed";

/** The first of its descriptors then; what it keeps open besides has lower ones, what goes on from a snapshot higher ones. */
export const FIRST_RESTING_DESCRIPTOR = 700;

/** The first of those on which others come, by whom it is woken, and of those that only keep a port; and behind the last one. */
export const FIRST_LISTENING_DESCRIPTOR = 710;
export const FIRST_BOUND_DESCRIPTOR = 750;
export const BEHIND_RESTING_DESCRIPTORS = 800;

// It waits for most of its life: a small heap and fewer threads' buffers count
// for more than the speed of compiled JavaScript (JSC's Options.h).
export const MONITOR_ENVIRONMENT = {
  BUN_GC_TIMER_DISABLE: "1", // looks at its memory each second; what is allocated makes it collect
  BUN_JSC_forceMiniVMMode: "1",
  BUN_JSC_useConcurrentJIT: "0",
  BUN_JSC_useConcurrentGC: "0",
  BUN_JSC_numberOfGCMarkers: "1",
  BUN_JSC_useDFGJIT: "0",
  BUN_JSC_thresholdForJITAfterWarmUp: "60000",
  MIMALLOC_PURGE_DELAY: "0",
};
