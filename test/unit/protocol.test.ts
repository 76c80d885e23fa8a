import { expect, test } from "bun:test";
import { socketPair } from "../../ffi/socket.ts";
import { FrameSocket, FrameType, parseFrame, writeFrame } from "../../src/monitor/protocol.ts";

test("what was said before the other side went is heard, also by who speaks to nobody", async () => {
  const [ours, theirs] = socketPair();
  const heard: object[] = [];
  const closed = Promise.withResolvers<void>();
  const socket = await FrameSocket.over(ours, {
    frame: (_type, payload) => heard.push(parseFrame<object>(payload)),
    close: () => closed.resolve(),
  });
  writeFrame(theirs.fd, FrameType.exited, { exitCode: 5 });
  theirs[Symbol.dispose]();
  await socket.send(FrameType.stdin, Buffer.from("too late"));
  await closed.promise;
  expect(heard).toEqual([{ exitCode: 5 }]);
});
