/** What a process that goes on from a snapshot (src/snapshot/make.ts) is to find out anew: what is so of one process, or only for now. */

const actions: (() => void)[] = [];

/** Has something forgotten that was found out before. */
export function onAdopted(forget: () => void): void {
  actions.push(forget);
}

export function forgetAll(): void {
  for (const forget of actions) forget();
}
