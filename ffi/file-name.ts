/**
 * Names of files as strings. To the kernel they are bytes; those that are no UTF-8
 * become lone surrogates, U+DC80 to U+DCFF, and bytes again on the way back (as Python
 * does it, PEP 383), so that every name survives.
 */

/** A name, path or text of a link as a string that {@link encodeName} turns back into the same bytes. */
export function decodeName(bytes: Buffer): string {
  const plain = bytes.toString();
  if (!plain.includes("\ufffd")) return plain;
  const { isUtf8 } = require("node:buffer") as typeof import("node:buffer");
  if (isUtf8(bytes)) return plain;
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const piece = bytes.subarray(at, at + length);
    if (isUtf8(piece)) {
      text += piece.toString();
      at += piece.length;
    } else {
      text += String.fromCharCode(0xdc00 | first);
      at++;
    }
  }
  return text;
}

/** The bytes of a name, without a NUL behind them. */
export function encodeName(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  return Buffer.concat(
    [...text].map((character) => {
      const code = character.codePointAt(0) as number;
      return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code & 0xff) : Buffer.from(character);
    }),
  );
}
