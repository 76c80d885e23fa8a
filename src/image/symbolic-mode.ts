/** Modes as chmod(1) writes them, in numbers or letters. */

/** What becomes of a mode, of 12 bits. */
export type ModeChange = (mode: number, isFolder: boolean) => number;

const WHO: Record<string, number> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };

/** `755`, `u+x`, `a=rX,go-w`; undefined where it is none. */
export function parseMode(text: string): ModeChange | undefined {
  if (/^[0-7]{1,4}$/.test(text)) return () => Number.parseInt(text, 8);
  const clauses = text.split(",").map((clause) => /^([ugoa]*)([-+=])([rwxXst]*)$/.exec(clause));
  if (clauses.some((clause) => clause === null)) return undefined;
  return (mode, isFolder) =>
    clauses.reduce((before, clause) => {
      const [, who = "", operator, what = ""] = clause as RegExpExecArray;
      const mask = [...(who || "a")].reduce((bits, letter) => bits | (WHO[letter] as number), 0);
      const bits = [...what].reduce((sum, letter) => sum | bitsOf(letter, isFolder || (before & 0o111) !== 0), 0) & mask;
      if (operator === "+") return before | bits;
      return operator === "-" ? before & ~bits : (before & ~(mask & 0o777)) | bits;
    }, mode);
}

function bitsOf(letter: string, isExecutable: boolean): number {
  const bits: Record<string, number> = { r: 0o444, w: 0o222, x: 0o111, X: isExecutable ? 0o111 : 0, s: 0o6000, t: 0o1000 };
  return bits[letter] as number;
}
