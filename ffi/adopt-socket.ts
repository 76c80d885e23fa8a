import type { Socket, SocketHandler } from "bun";
import type { OwnedFd } from "./fd.ts";

/**
 * Hands a connected stream socket to Bun, which polls it from now on and closes it in the end.
 *
 * @param options.data what the handlers find with the socket
 * @param options.allowHalfOpen whether it stays open when the other side has sent its last
 */
export function adoptSocket<T>(fd: OwnedFd, options: { data: T; allowHalfOpen: boolean; socket: SocketHandler<T> }): Promise<Socket<T>> {
  // Not among Bun's types.
  const { connect } = Bun as unknown as { connect(options: object): Promise<Socket<T>> };
  return connect({ ...options, fd: fd.release() });
}
