/** Who wants something of a container that another command started: its monitor calls them back. */
import type { OwnedFd } from "../../ffi/fd.ts";
import { existsSync, readdirSync, rmSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import { join } from "../../ffi/path.ts";
import { connectUnix } from "../../ffi/socket.ts";
import type { ProcessIdentity } from "../store/process-identity.ts";
import type { Audience } from "./audience.ts";
import { type Attach, FrameSocket, FrameType, parseFrame, type Started } from "./protocol.ts";

export class Visitors {
  readonly #folder: string;
  readonly #id: string;
  readonly #audience: Audience;
  readonly #receive: (from: FrameSocket, type: FrameType, payload: Buffer) => void;
  #count = 0;

  /**
   * @param folder of the sockets on which they wait, named after the container and themselves
   * @param receive takes frames that are no wish to attach
   */
  constructor(folder: string, id: string, audience: Audience, receive: (from: FrameSocket, type: FrameType, payload: Buffer) => void) {
    this.#folder = folder;
    this.#id = id;
    this.#audience = audience;
    this.#receive = receive;
  }

  /** Those who were called back and are not gone; they may not have said yet what for. */
  get count(): number {
    return this.#count;
  }

  /** Connects to all that wait. */
  async callBack(process: Pick<ProcessIdentity, "pid" | "startTime">): Promise<void> {
    if (!existsSync(this.#folder)) return;
    for (const name of readdirSync(this.#folder)) {
      if (!name.startsWith(`${this.#id}.`)) continue;
      const path = join(this.#folder, name);
      try {
        await this.#admit(connectUnix(path), process);
      } catch (error) {
        if (!hasCode(error, "ECONNREFUSED", "ENOENT")) throw error; // whoever it was is gone
      } finally {
        rmSync(path, { force: true });
      }
    }
  }

  async #admit(fd: OwnedFd, { pid, startTime }: Pick<ProcessIdentity, "pid" | "startTime">): Promise<void> {
    this.#count++;
    const socket: FrameSocket = await FrameSocket.over(fd, {
      frame: (type, payload) => {
        if (type !== FrameType.attach) {
          this.#receive(socket, type, payload);
          return;
        }
        socket.sendJson(FrameType.started, { pid, startTime, warnings: [] } satisfies Started);
        this.#audience.add({ socket, ...parseFrame<Attach>(payload), isWaitedFor: false });
      },
      close: () => {
        this.#count--;
        this.#audience.remove(socket);
      },
    });
  }
}
