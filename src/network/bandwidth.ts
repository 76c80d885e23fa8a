/** How much a container may receive and send: token buckets on both ends of its links. */
import { hasCode } from "../../ffi/libc.ts";
import { RouteSocket } from "../../ffi/netlink/route.ts";
import { NetlinkError } from "../../ffi/netlink/socket.ts";
import { deleteTokenBucket, setTokenBucket } from "../../ffi/netlink/traffic.ts";
import type { Bandwidth } from "../store/container-config.ts";
import { inNamespaceOf } from "./connect.ts";
import { NetworkError } from "./errors.ts";

const MIN_BURST = 16 << 10; // a few packets, also where several are sent as one
/** Of a second, what may go at once and what may wait. */
const BURST = 1 / 100;
const QUEUE = 1 / 5;
const MIN_QUEUE = 64 << 10;

/** Sets the rates of a container that runs; what is undefined has none. Throws {@link NetworkError}. */
export function setBandwidth(pid: number, bandwidth: Bandwidth): void {
  try {
    using host = new RouteSocket();
    const peers = inNamespaceOf(pid, () => {
      using inside = new RouteSocket();
      const links = inside.links().filter(({ name, peer }) => name !== "lo" && peer > 0);
      for (const { index } of links) limit(inside, index, bandwidth.out);
      return links.map(({ peer }) => peer);
    });
    // What the container receives leaves the host by the other end.
    for (const peer of peers) limit(host, peer, bandwidth.in);
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    throw new NetworkError(
      `cannot hold the container to a bandwidth: ${error.message}${error.code === "ENOENT" ? "; the kernel may lack tbf" : ""}`,
      { cause: error },
    );
  }
}

function limit(routes: RouteSocket, link: number, rate: number | undefined): void {
  if (rate !== undefined) {
    routes.request(setTokenBucket(link, rate, Math.max(MIN_BURST, Math.ceil(rate * BURST)), Math.max(MIN_QUEUE, Math.ceil(rate * QUEUE))));
    return;
  }
  try {
    routes.request(deleteTokenBucket(link));
  } catch (error) {
    if (!hasCode(error, "ENOENT", "EINVAL")) throw error; // there was none
  }
}
