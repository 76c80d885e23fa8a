/** How much a container may receive and send, and how late: queueing disciplines on both ends of its links. */
import { hasCode } from "../../ffi/libc.ts";
import { inNetworkOf } from "../../ffi/namespace.ts";
import { RouteSocket } from "../../ffi/netlink/route.ts";
import { NetlinkError } from "../../ffi/netlink/socket.ts";
import { deleteDiscipline, setEmulation, setTokenBucket } from "../../ffi/netlink/traffic.ts";
import type { Bandwidth } from "../store/container-config.ts";
import { NetworkError } from "./errors.ts";

const MIN_BURST = 16 << 10; // a few packets, also where several are sent as one
/** Of a second, what may go at once and what may wait. */
const BURST = 1 / 100;
const QUEUE = 1 / 5;
const MIN_QUEUE = 64 << 10;

/** Sets what is said of a container that runs; what is undefined or 0 is not held back. Throws {@link NetworkError}. */
export function setBandwidth(pid: number, bandwidth: Bandwidth): void {
  try {
    using host = new RouteSocket();
    const peers = inNetworkOf(pid, () => {
      using inside = new RouteSocket();
      const links = inside.links().filter(({ name, peer }) => name !== "lo" && peer > 0);
      for (const { index } of links) shape(inside, index, { rate: bandwidth.out, delay: bandwidth.delay, loss: bandwidth.loss });
      return links.map(({ peer }) => peer);
    });
    // What the container receives leaves the host by the other end.
    for (const peer of peers) shape(host, peer, { rate: bandwidth.in, delay: undefined, loss: undefined });
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    const wanted = bandwidth.delay || bandwidth.loss ? "tbf or netem (modules sch_tbf, sch_netem)" : "tbf (module sch_tbf)";
    const hint = error.code === "ENOENT" ? `; the kernel has no ${wanted}` : "";
    throw new NetworkError(`cannot hold the container to a bandwidth, delay or loss: ${error.message}${hint}`, { cause: error });
  }
}

interface Shape {
  rate: number | undefined;
  delay: number | undefined;
  loss: number | undefined;
}

function shape(routes: RouteSocket, link: number, { rate, delay = 0, loss = 0 }: Shape): void {
  const isEmulated = delay > 0 || loss > 0;
  // A rate alone takes the place of what is there.
  if (isEmulated || !rate) clear(routes, link);
  if (isEmulated) routes.request(setEmulation(link, delay, loss));
  if (!rate) return;
  const [burst, queue] = [Math.max(MIN_BURST, Math.ceil(rate * BURST)), Math.max(MIN_QUEUE, Math.ceil(rate * QUEUE))];
  routes.request(setTokenBucket(link, isEmulated, rate, burst, queue));
}

function clear(routes: RouteSocket, link: number): void {
  try {
    routes.request(deleteDiscipline(link));
  } catch (error) {
    if (!hasCode(error, "ENOENT", "EINVAL")) throw error; // there was none
  }
}
