import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { pack } from "../../src/image/pack.ts";
import type { Bytes } from "../../src/image/unpack.ts";

const MEGABYTE = 1 << 20;

async function packed(bytes: Buffer): Promise<Buffer> {
  const source = async function* () {
    for (let at = 0; at < bytes.length; at += 300_000) yield bytes.subarray(at, at + 300_000) as Bytes;
  };
  return Buffer.concat(await Array.fromAsync(pack(source(), "gzip")));
}

test("what is packed comes out as it was, and the same bytes as the same", async () => {
  const text = Buffer.from("all work and no play\n".repeat(200_000));
  const random = randomBytes(3 * MEGABYTE + 5);
  for (const bytes of [Buffer.alloc(0), Buffer.from("x"), text, random, Buffer.concat([random, text])]) {
    const out = await packed(bytes);
    expect(bytes.length === 0 ? 0 : gunzipSync(out).compare(bytes)).toBe(0);
    expect(out.equals(await packed(bytes))).toBe(true);
  }
});

test("what cannot get smaller hardly gets larger; where a part of it can, it does", async () => {
  const random = randomBytes(4 * MEGABYTE);
  const out = await packed(random);
  expect(out.length).toBeLessThan(random.length * 1.001);
  const mixed = Buffer.concat(
    Array.from({ length: 16 }, (_, i) => Buffer.concat([random.subarray(i * 100_000, (i + 1) * 100_000), Buffer.alloc(150_000)])),
  );
  expect((await packed(mixed)).length).toBeLessThan(mixed.length * 0.45);
});
