/** A real registry for tests. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestEngine, until } from "./engine.ts";

// A port that nobody had a moment ago.
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

export interface LocalRegistry extends Disposable {
  host: string;
  restart(): Promise<void>;
}

/** Debian's docker-registry on 127.0.0.1, with a folder of its own under `root`; `http` and `more` go into its configuration. */
export async function startRegistry(root: string, http = "", more = ""): Promise<LocalRegistry> {
  const port = freePort();
  const folder = join(root, `registry-${port}`);
  mkdirSync(folder);
  const config = `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:${port}"${http}}\n${more}`;
  writeFileSync(join(folder, "config.yml"), config);
  let child: Bun.Subprocess;
  const start = async () => {
    child = Bun.spawn(["docker-registry", "serve", join(folder, "config.yml")], { stdout: "ignore", stderr: "ignore" });
    await until("the registry", async () => {
      try {
        (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).end();
        return true;
      } catch {
        return false;
      }
    });
  };
  await start();
  return {
    host: `127.0.0.1:${port}`,
    async restart() {
      child.kill("SIGKILL");
      await child.exited;
      await start();
    },
    [Symbol.dispose]: () => child.kill("SIGKILL"),
  };
}

/** An engine with nothing in it, and another one's credentials. */
export function emptyEngine(like: TestEngine): TestEngine {
  const fresh = TestEngine.empty();
  fresh.env.DOCKER_CONFIG = join(like.root, "docker-config");
  return fresh;
}
