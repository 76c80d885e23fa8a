/** Tells what a user may want to know, beside what the command is for. */
export function warn(text: string): void {
  console.error(`WARNING: ${text}`);
}
