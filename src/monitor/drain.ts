/** The drain role: has a terminal open that its user left, and forgets what is written to it. */
export async function drain(): Promise<void> {
  try {
    for await (const _ of Bun.file(0).stream());
  } catch {
    // EIO: the last process on it is gone
  }
}
