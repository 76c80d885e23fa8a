/**
 * What is around a host, seen from every side: this process's network namespace stands for
 * the host, another one for a machine on the internet, which answers on port 80 with the
 * address it was asked from.
 */
import { readFileSync } from "node:fs";
import { TestEngine, until } from "./engine.ts";

/** Addresses of the link between the two. */
export const HOST = "198.51.100.1";
export const INTERNET = "198.51.100.2";
export const HOST6 = "2001:db8:1::1";
export const INTERNET6 = "2001:db8:1::2";

export function sh(script: string): { out: string; err: string; code: number } {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["sh", "-c", script]);
  return { out: stdout.toString().trim(), err: stderr.toString().trim(), code: exitCode };
}

/** In the network namespace of a process. */
export const inside = (pid: number, script: string) => sh(`nsenter -t ${pid} -n sh -c '${script}'`);
export const rules = () => sh("nft list ruleset").out;
/** Its file follows. */
export const fetchPage = "timeout 3 busybox wget -qO-";

const PAGE = "echo hello > /index.html; exec httpd -f -h /";

/** An engine on a host with the internet around it. */
export class ConnectedHost implements AsyncDisposable {
  readonly engine: TestEngine;
  /** A process there. */
  readonly internet: number;
  readonly #processes: Bun.Subprocess[];

  private constructor(engine: TestEngine, processes: Bun.Subprocess[]) {
    this.engine = engine;
    this.internet = (processes[0] as Bun.Subprocess).pid;
    this.#processes = processes;
  }

  static async make(): Promise<ConnectedHost> {
    if (readFileSync("/proc/net/dev", "utf8").includes("eth0:"))
      throw new Error("these tests want a network namespace of their own: npm run test:e2e");
    const peer = Bun.spawn(["unshare", "-n", "sleep", "600"]);
    const { pid } = peer;
    await until("the other namespace", () => sh(`readlink /proc/${pid}/ns/net`).out !== sh("readlink /proc/self/ns/net").out);
    const { err } = sh(`ip link add out0 type veth peer name eth0 netns ${pid} && ip addr add ${HOST}/24 dev out0 && ip link set out0 up
      ip addr add ${HOST6}/64 dev out0 nodad; nsenter -t ${pid} -n ip addr add ${INTERNET6}/64 dev eth0 nodad
      nsenter -t ${pid} -n sh -c 'ip addr add ${INTERNET}/24 dev eth0; ip link set eth0 up; ip link set lo up'
      ip route add default via ${INTERNET}; ip route add default via ${INTERNET6}`);
    if (err !== "") throw new Error(err);
    const engine = await TestEngine.make();
    const program =
      "Bun.serve({ port: 80, hostname: '::', fetch: (request, server) => new Response(server.requestIP(request).address.replace('::ffff:', '')) })";
    const server = Bun.spawn(["nsenter", "-t", String(pid), "-n", process.execPath, "-e", program]);
    await until("the internet", () => inside(pid, "cat /proc/net/tcp /proc/net/tcp6").out.includes(":0050"));
    return new ConnectedHost(engine, [peer, server]);
  }

  /** Starts a container that has a page at /index.html. */
  async web(name: string, ...flags: string[]): Promise<void> {
    await this.engine.ok("run", "-d", "--name", name, ...flags, "bb", "sh", "-c", PAGE);
    await until("the server", async () => (await this.engine.run("exec", name, "wget", "-qO-", "http://127.0.0.1/index.html")).exitCode === 0);
  }

  /** On the internet. */
  there(script: string): string {
    return inside(this.internet, script).out;
  }

  removeContainers(): Promise<void> {
    return this.engine.removeContainers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    for (const child of this.#processes) child.kill("SIGKILL");
    sh("ip link del out0");
  }
}
