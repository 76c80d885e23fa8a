/** Several things at once, but not all. */

/** Runs a task for each item, in order, at most `limit` at a time. Rejects with the first failure; the rest is not begun then. */
export async function runEach<T>(items: readonly T[], limit: number, task: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const i = next++;
      try {
        await task(items[i] as T, i);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
}
