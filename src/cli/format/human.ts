/** Sizes, times and durations in docker's words. */

const SIZE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const MEMORY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function scale(value: number, base: number, units: string[], digits: number): string {
  const unit = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log(value) / Math.log(base) + 1e-9)));
  return `${Number((value / base ** unit).toPrecision(digits))}${units[unit]}`;
}

/** `1.24MB`: three significant digits, units of 1000. */
export const humanSize = (bytes: number): string => scale(bytes, 1000, SIZE_UNITS, 3);

/** `1.205MiB`: four significant digits, units of 1024. */
export const humanMemory = (bytes: number): string => scale(bytes, 1024, MEMORY_UNITS, 4);

/** `8Mbit`, of bytes a second. */
export function humanRate(bytes: number): string {
  return humanSize(bytes * 8).replace(/B$/, "bit");
}

/** `3 minutes`, `About an hour`, `2 weeks`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.round(milliseconds / 3_600_000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}

/** `2026-01-02 15:04:05 +0000 UTC`, as Go prints a time. */
export function goTime(milliseconds: number): string {
  const time = new Date(milliseconds);
  const pad = (n: number) => String(n).padStart(2, "0");
  const offset = -time.getTimezoneOffset();
  const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(offset) / 60))}${pad(Math.abs(offset) % 60)}`;
  const name =
    new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(time).find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())} ${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())} ${zone} ${name}`;
}
