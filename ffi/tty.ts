/** Terminals: pseudo-terminals, raw mode, window size (ioctl_tty(2), termios(3)). */
import { O_NOCTTY, O_RDWR, OwnedFd, openat } from "./fd.ts";
import { call, tryCall } from "./libc.ts";

/** asm-generic/ioctls.h */
const TCGETS = 0x5401;
const TCSETSW = 0x5403;
const TIOCSCTTY = 0x540e;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TIOCGPTPEER = 0x5441;

export interface WindowSize {
  rows: number;
  columns: number;
}

export function isTerminal(fd: number): boolean {
  return tryCall("ioctl", fd, TCGETS, Buffer.alloc(64)) === 0;
}

/** Opens a new pair through a multiplexer device; `index` is the slave's name under its devpts. */
export function openPseudoTerminal(dir: number, ptmx: string): { master: OwnedFd; slave: OwnedFd; index: number } {
  const master = openat(dir, ptmx, O_RDWR | O_NOCTTY);
  call("ioctl", master.fd, TIOCSPTLCK, new Int32Array([0]));
  const number = new Int32Array(1);
  call("ioctl", master.fd, TIOCGPTN, number);
  // TIOCGPTPEER (4.13) opens the slave without any path that an image could have put in its way.
  const slave = new OwnedFd(call("ioctl", master.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | 0o2000000));
  return { master, slave, index: number[0] as number };
}

/** Makes a terminal the controlling one of this session. */
export function setControllingTerminal(fd: number): void {
  call("ioctl", fd, TIOCSCTTY, 0);
}

export function getWindowSize(fd: number): WindowSize | undefined {
  const size = new Uint16Array(4);
  if (tryCall("ioctl", fd, TIOCGWINSZ, size) < 0) return undefined;
  return { rows: size[0] as number, columns: size[1] as number };
}

/** Sets the size; the kernel sends SIGWINCH to the foreground group where it changed. */
export function setWindowSize(fd: number, size: WindowSize): void {
  tryCall("ioctl", fd, TIOCSWINSZ, new Uint16Array([size.rows, size.columns, 0, 0]));
}

/**
 * Puts a terminal into raw mode as cfmakeraw(3) does.
 *
 * @returns puts the old settings back; may be called more than once
 */
export function makeRaw(fd: number): () => void {
  const saved = Buffer.alloc(64); // struct ktermios: four flag words, c_line, c_cc
  call("ioctl", fd, TCGETS, saved);
  const raw = Buffer.from(saved);
  const clear = (at: number, bits: number) => raw.writeUInt32LE((raw.readUInt32LE(at) & ~bits) >>> 0, at);
  clear(0, 0o2753); // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
  clear(4, 0o1); // OPOST
  clear(12, 0o100113); // ECHO ECHONL ICANON ISIG IEXTEN
  clear(8, 0o460); // CSIZE PARENB
  raw.writeUInt32LE(raw.readUInt32LE(8) | 0o60, 8); // CS8
  raw[17 + 6] = 1; // VMIN
  raw[17 + 5] = 0; // VTIME
  call("ioctl", fd, TCSETSW, raw);
  return () => {
    tryCall("ioctl", fd, TCSETSW, saved);
  };
}

/** Stops a terminal from showing what is typed; gives back how to undo it. */
export function hideInput(fd: number): () => void {
  const ECHO = 0o10;
  const saved = Buffer.alloc(64);
  call("ioctl", fd, TCGETS, saved);
  const hidden = Buffer.from(saved);
  hidden.writeUInt32LE((hidden.readUInt32LE(12) & ~ECHO) >>> 0, 12);
  call("ioctl", fd, TCSETSW, hidden);
  return () => {
    tryCall("ioctl", fd, TCSETSW, saved);
  };
}
