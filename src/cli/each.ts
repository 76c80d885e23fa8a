/** Commands that do the same to several things. */

/**
 * Does it to each; where one fails, its line goes to stderr and the others are done all the same.
 *
 * @param action is told the next one, too, where there is one
 * @returns docker's exit code: 1 where any failed
 */
export async function forEach(items: string[], action: (item: string, next: string | undefined) => void | Promise<void>): Promise<number> {
  let exitCode = 0;
  for (const [i, item] of items.entries()) {
    try {
      await action(item, items[i + 1]);
    } catch (error) {
      console.error(`berth: ${error instanceof Error ? error.message : String(error)}`);
      exitCode = 1;
    }
  }
  return exitCode;
}
