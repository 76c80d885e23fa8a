/** Who wants something of a container that another command started: its monitor calls them back. */
import type { OwnedFd } from "../../ffi/fd.ts";
import { existsSync, readdirSync, rmSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import { join } from "../../ffi/path.ts";
import { connectUnix } from "../../ffi/socket.ts";
import type { ProcessIdentity } from "../store/process-identity.ts";
import type { Audience } from "./audience.ts";
import { type Attach, FrameSocket, FrameType, parseFrame, type Started } from "./protocol.ts";

/** What they come for: to attach, or to hear that the monitor has looked at the container's networks. */
export type Purpose = "attach" | "networks";

/** Where one of them listens. */
export function visitorSocket(folder: string, containerId: string, purpose: Purpose, name: string): string {
  return join(folder, `${containerId}.${purpose}.${name}`);
}

export class Visitors {
  readonly #folder: string;
  readonly #id: string;
  readonly #audience: Audience;
  readonly #receive: (from: FrameSocket, type: FrameType, payload: Buffer) => void;
  #count = 0;

  /**
   * @param folder of the sockets on which they wait, see {@link visitorSocket}
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

  /** Connects to all that wait to attach. */
  async admit(process: Pick<ProcessIdentity, "pid" | "startTime">): Promise<void> {
    for (const connection of this.#connections("attach")) await this.#admit(connection, process);
  }

  /** Connects to all that wait for the monitor to look at the networks: that is done when the connection ends. */
  get waitingForNetworks(): OwnedFd[] {
    return [...this.#connections("networks")];
  }

  *#connections(purpose: Purpose): Generator<OwnedFd> {
    if (!existsSync(this.#folder)) return;
    for (const name of readdirSync(this.#folder)) {
      const path = join(this.#folder, name);
      if (!path.startsWith(visitorSocket(this.#folder, this.#id, purpose, ""))) continue;
      try {
        yield connectUnix(path);
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
