/** Commands that do the same to several things. */

/**
 * Does it to each; where one fails, its line goes to stderr and the others are done all the same.
 *
 * @returns docker's exit code: 1 where any failed
 */
export async function forEach(items: string[], action: (item: string) => void | Promise<void>): Promise<number> {
  let exitCode = 0;
  for (const item of items) {
    try {
      await action(item);
    } catch (error) {
      console.error(`berth: ${error instanceof Error ? error.message : String(error)}`);
      exitCode = 1;
    }
  }
  return exitCode;
}
