import { OwnedFd } from "./fd.ts";
import { call } from "./libc.ts";

const CLOCK_MONOTONIC = 1;
const TFD_CLOEXEC = 0o2000000;

/** A descriptor that can be read once so many milliseconds are over (timerfd_create(2)). */
export function alarmAfter(milliseconds: number): OwnedFd {
  const alarm = new OwnedFd(call("timerfd_create", CLOCK_MONOTONIC, TFD_CLOEXEC));
  const left = Math.max(1, milliseconds); // 0 would be never
  // struct itimerspec: the interval, then the first time; seconds and nanoseconds.
  const time = new BigInt64Array([0n, 0n, BigInt(Math.floor(left / 1000)), BigInt(Math.floor((left % 1000) * 1e6))]);
  call("timerfd_settime", alarm.fd, 0, time, null);
  return alarm;
}
