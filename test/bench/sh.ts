/** Gives what a script prints, without space around it; throws where one of its commands fails. */
export function sh(script: string): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["sh", "-ec", script], { env: process.env });
  if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout.toString().trim();
}
