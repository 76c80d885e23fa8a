// Rows of networks, in a network namespace that stands for the host: throughput and
// requests a second through a published port and between containers, by turns with docker
// and podman; a run with the default network; a thousand published ports.
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { create } from "tar";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { type Peer, podmanPeer, type Run, runner, startDockerd } from "../fixtures/peers.ts";
import { keepFigure } from "./figure.ts";
import { measure } from "./measure.ts";
import { BERTH, shellCommand } from "./row.ts";
import { sh } from "./sh.ts";

const ROUNDS = 5;
const SECONDS = 2; // of each measurement
const HOST = "198.51.100.1";
const MANY_PORTS = 1000;

const folder = process.argv[2] as string;

/** A busybox root with iperf3 and the libraries it needs. */
function makeImage(): string {
  const root = join(folder, "iperf");
  makeBusyboxRoot(root);
  const files = [
    "/usr/bin/iperf3",
    ...sh("ldd /usr/bin/iperf3")
      .matchAll(/(\/\S+) \(/g)
      .map((found) => found[1] as string),
  ];
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    copyFileSync(file, join(root, file));
  }
  const tar = join(folder, "iperf.tar");
  create({ cwd: root, file: tar, sync: true }, ["."]);
  return tar;
}

interface Engine {
  name: string;
  peer: Peer;
  call: Run;
  /** Host ports of its servers. */
  iperf: number;
  web: number;
}

function makeEngine(name: string, peer: Peer, position: number): Engine {
  return { name, peer, call: runner(peer.command, peer.env), iperf: 5301 + position, web: 8301 + position };
}

function must(run: Run, ...args: string[]): string {
  const { out, err, code } = run(...args);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${err}`);
  return out;
}

const gigabits = (json: string) =>
  (JSON.parse(json) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received.bits_per_second / 1e9;
const throughput = (port: number) => gigabits(sh(`iperf3 -J -t ${SECONDS} -c ${HOST} -p ${port}`));
const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function keep(title: string, unit: string, results: Record<string, number[]>): void {
  const medians = Object.fromEntries(Object.entries(results).map(([name, values]) => [name, median(values)]));
  keepFigure({ name: "network", title, unit, results: medians }, folder);
  for (const [name, values] of Object.entries(results)) console.log(`  ${name}: ${values.map((value) => value.toFixed(1)).join(" ")}`);
}

function inTurn(engines: Engine[], measureOne: (engine: Engine) => number): Record<string, number[]> {
  const results: Record<string, number[]> = Object.fromEntries(engines.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) for (const engine of engines) results[engine.name]?.push(measureOne(engine));
  return results;
}

// The mounts of podman's network namespaces are this process's own.
sh(`mount --make-rprivate /; mkdir -p /run/netns; mount -t tmpfs t /run/netns
  ip link set lo up; ip link add out0 type veth peer name out1; ip addr add ${HOST}/24 dev out0; ip link set out0 up; ip link set out1 up
  ip route add default via 198.51.100.2; echo 1 > /proc/sys/net/ipv4/ip_forward
  # A connection for each request: else the ports of those before run out.
  echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse
  modprobe -q nf_conntrack || true; echo 1 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait || true`);
const dockerd = await startDockerd(join(folder, "network-docker"), ["--bip", "172.29.0.1/16"]);
let started: Engine[] = [];
try {
  const podman = podmanPeer(join(folder, "np")); // a longer runroot is refused;
  podman.command.push("--network-config-dir", join(folder, "np", "networks"));
  const all = [
    makeEngine("berth", { command: [BERTH], env: { BERTH_ROOT: join(folder, "network-berth") } }, 0),
    makeEngine("docker", dockerd, 1),
    makeEngine("podman", podman, 2),
  ];
  started = all;
  const image = makeImage();
  const engines = all.filter(({ name, call, iperf, web }) => {
    try {
      must(call, "import", image, "localhost/ip");
      must(call, "run", "-d", "--name", "srv", "-p", `${iperf}:5201`, "localhost/ip", "iperf3", "-s");
      must(call, "run", "-d", "--name", "web", "-p", `${web}:80`, "localhost/ip", "sh", "-c", "echo hello > /index.html; exec httpd -f -h /");
      return true;
    } catch (error) {
      console.log(`network: ${name} cannot run here: ${(error as Error).message.split("\n").at(-1)}`);
      return false;
    }
  });
  await Bun.sleep(1000);
  const addressOf = ({ call }: Engine) => must(call, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "srv");
  keep(
    "host to container by a published port",
    "Gbit/s",
    inTurn(engines, ({ iperf }) => throughput(iperf)),
  );
  keep(
    "container to container",
    "Gbit/s",
    inTurn(engines, (engine) =>
      gigabits(must(engine.call, "run", "--rm", "localhost/ip", "iperf3", "-J", "-t", String(SECONDS), "-c", addressOf(engine))),
    ),
  );
  const requests = ({ web }: Engine) =>
    Number(/Requests\/sec:\s+([\d.]+)/.exec(sh(`wrk -t1 -c8 -d${SECONDS} http://${HOST}:${web}/index.html`))?.[1]);
  keep("wrk on a busybox httpd by a published port", "requests/s", inTurn(engines, requests));
  const commands = (flags: string) =>
    Object.fromEntries(engines.map(({ name, peer }) => [name, `${shellCommand(peer)} run --rm ${flags} localhost/ip true`]));
  const withoutNetwork = `${shellCommand(all[0]?.peer as Peer)} run --rm --network none localhost/ip true`;
  const title = "run --rm, default network, true, beside one without a network";
  await measure({ name: "network", title, commands: { ...commands(""), "no network": withoutNetwork } }, folder);
  await measure({ name: "network", title: "run --rm -p 8080:80, true", commands: commands("-p 8080:80") }, folder);

  const [berth] = engines as [Engine];
  const before = Array.from({ length: ROUNDS }, () => throughput(berth.iperf));
  const time = (publish: string) => {
    const start = performance.now();
    must(berth.call, "run", "-d", "--name", `p${publish}`.replaceAll(/\W/g, "_"), "-p", publish, "localhost/ip", "sleep", "1000");
    return performance.now() - start;
  };
  const first = time("19999:1");
  const many = time(`20000-${20_000 + MANY_PORTS - 1}:20000-${20_000 + MANY_PORTS - 1}`);
  const last = time("29999:1");
  const after = Array.from({ length: ROUNDS }, () => throughput(berth.iperf));
  keep("run -d with a published port", "ms", { berth: [first] });
  keep(`run -d with ${MANY_PORTS} published ports`, "ms", { berth: [many] });
  keep("run -d with a published port beside so many", "ms", { berth: [last] });
  keep("host to container right before them", "Gbit/s", { berth: before });
  keep("host to container behind them", "Gbit/s", { berth: after });
} finally {
  for (const { call } of started) call("rm", "-f", ...call("ps", "-aq").out.split("\n"));
  await dockerd.stop();
}
