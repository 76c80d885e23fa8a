/** Ports as `ps` shows them: `0.0.0.0:8080->80/tcp, 443/tcp`, neighbours as ranges. */
import type { PublishedPort } from "../../store/networks.ts";

/** As in a URL. */
export const shownAddress = (ip: string) => (ip.includes(":") ? `[${ip}]` : ip);

interface Shown {
  ip: string;
  host: number;
  container: number;
  protocol: string;
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** @param exposed `80/tcp` each; those that are published are not told twice */
export function formatPorts(published: PublishedPort[], exposed: string[]): string {
  const own = published.map((p): Shown => ({ ip: shownAddress(p.hostIp), host: p.hostPort, container: p.containerPort, protocol: p.protocol }));
  const isPublished = (text: string) => published.some((p) => `${p.containerPort}/${p.protocol}` === text);
  const others = exposed
    .filter((text) => !isPublished(text))
    .map((text): Shown => {
      const [port, protocol = "tcp"] = text.split("/");
      return { ip: "", host: 0, container: Number(port), protocol };
    });
  const sorted = [...own, ...others].sort(
    (a, b) => compare(a.protocol, b.protocol) || compare(a.ip, b.ip) || a.container - b.container || a.host - b.host,
  );
  const ranges: { first: Shown; last: Shown }[] = [];
  for (const port of sorted) {
    const range = ranges.at(-1);
    const follows =
      range &&
      range.last.ip === port.ip &&
      range.last.protocol === port.protocol &&
      port.container === range.last.container + 1 &&
      (port.host === range.last.host + 1 || port.host === 0);
    if (follows) range.last = port;
    else ranges.push({ first: port, last: port });
  }
  const span = (a: number, b: number) => (a === b ? String(a) : `${a}-${b}`);
  return ranges
    .map(({ first, last }) => {
      const inside = `${span(first.container, last.container)}/${first.protocol}`;
      return first.ip === "" ? inside : `${first.ip}:${span(first.host, last.host)}->${inside}`;
    })
    .join(", ");
}
