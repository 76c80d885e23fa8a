/** What a machine is made and told with: initramfs archives, DHCP, the kernel's command line, lists of modules. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BootPlan, parseIp, USUAL_PLAN, withCommandLine } from "../../src/vm/boot-plan.ts";
import { CpioWriter } from "../../src/vm/cpio.ts";
import { encodeMessage, leaseOf, parseMessage } from "../../src/vm/dhcp.ts";
import { ModuleIndex } from "../../src/vm/modules.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-vm-unit-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("an archive that cpio unpacks: files, links, folders above them", () => {
  const pieces: Uint8Array[] = [];
  const archive = new CpioWriter((bytes) => pieces.push(bytes));
  archive.folder("empty");
  archive.file("deep/below/file", Buffer.from("content"), 0o750);
  archive.file("deep/other", new Uint8Array(), 0o644);
  archive.link("deep/link", "below/file");
  archive.close();
  const { exitCode } = Bun.spawnSync(["busybox", "cpio", "-i"], { cwd: folder, stdin: Buffer.concat(pieces), stderr: "ignore" });
  expect(exitCode).toBe(0);
  expect(readFileSync(join(folder, "deep/link"), "utf8")).toBe("content");
  expect(readlinkSync(join(folder, "deep/link"))).toBe("below/file");
  expect(statSync(join(folder, "deep/below/file")).mode & 0o7777).toBe(0o750);
  expect(statSync(join(folder, "deep/other")).size).toBe(0);
  expect(statSync(join(folder, "empty")).isDirectory()).toBe(true);
});

describe("DHCP", () => {
  const mac = Buffer.from("525400123456", "hex");

  test("a request has its exchange's number, the card's address and the options", () => {
    const message = encodeMessage({ id: 0xdeadbeef, mac }, [[53, Buffer.of(1)]]);
    expect(message.subarray(0, 12).toString("hex")).toBe("01010600deadbeef00008000");
    expect(message.subarray(28, 34)).toEqual(mac);
    expect(message.subarray(236).toString("hex")).toBe("63825363350101ff");
  });

  // What a server sends is a request with other numbers.
  const reply = (options: [number, Uint8Array][], address = [10, 0, 2, 15]) => {
    const message = encodeMessage({ id: 7, mac }, options);
    message[0] = 2;
    message.set(address, 16);
    return message;
  };

  test("an answer: address, mask, gateway, name servers", () => {
    const options: [number, Uint8Array][] = [
      [53, Buffer.of(5)],
      [1, Buffer.of(255, 255, 240, 0)],
      [3, Buffer.of(10, 0, 2, 2)],
      [6, Buffer.of(10, 0, 2, 3, 10, 0, 2, 4)],
    ];
    const message = parseMessage(reply(options));
    expect(message?.id).toBe(7);
    const lease = leaseOf(message as NonNullable<typeof message>);
    expect([...lease.address]).toEqual([10, 0, 2, 15]);
    expect(lease.prefix).toBe(20);
    expect([...(lease.gateway ?? [])]).toEqual([10, 0, 2, 2]);
    expect(lease.nameServers.map((server) => [...server])).toEqual([
      [10, 0, 2, 3],
      [10, 0, 2, 4],
    ]);
  });

  test("what is cut off, or none, is passed over", () => {
    const whole = reply([[53, Buffer.of(5)]]);
    expect(parseMessage(whole.subarray(0, 200))).toBeUndefined();
    expect(parseMessage(whole.subarray(0, 242))).toBeUndefined();
    expect(parseMessage(encodeMessage({ id: 7, mac }, []))).toBeUndefined(); // a client's
    for (let i = 0; i < 2000; i++) parseMessage(Buffer.concat([whole.subarray(0, 240), crypto.getRandomValues(Buffer.alloc(i % 60))]));
  });
});

describe("the kernel's command line", () => {
  const plan: BootPlan = { ...USUAL_PLAN, run: [["image"]], modules: ["a"] };
  const read = (line: string) => withCommandLine(plan, line);

  test("adds to what is written, and goes before it", () => {
    expect(read("console=ttyS0 quiet\n")).toEqual(plan);
    expect(read('berth.run="-d one" "berth.run=--rm two sh" berth.after=stay berth.modules=b,c ip=off berth.data=d berth.images=/dev/vdb')).toEqual({
      run: [
        ["-d", "one"],
        ["--rm", "two", "sh"],
      ],
      after: "stay",
      modules: ["a", "b", "c"],
      network: "off",
      data: "d",
      images: "/dev/vdb",
    });
    expect(() => read("berth.after=sleep")).toThrow("expected poweroff, reboot or stay");
  });

  test("ip= as the kernel has it", () => {
    expect([parseIp("dhcp"), parseIp(""), parseIp("none"), parseIp(":::::eth1:dhcp")]).toEqual(["dhcp", "dhcp", "off", "dhcp"]);
    expect(parseIp("10.0.0.9::10.0.0.1:255.255.255.128:name:eth1:off:9.9.9.9")).toMatchObject({ prefix: 25, link: "eth1" });
    expect(() => parseIp("10.0.0::1")).toThrow("invalid ip=10.0.0::1");
  });
});

test("modules: each after those that it needs, whatever they are called", () => {
  const place = join(folder, "modules");
  mkdirSync(place);
  writeFileSync(
    join(place, "modules.dep"),
    "kernel/net/nf-nat.ko: kernel/net/nf_conntrack.ko kernel/lib/crc.ko.xz\nkernel/net/nf_conntrack.ko: kernel/lib/crc.ko.xz\nkernel/lib/crc.ko.xz:\n",
  );
  writeFileSync(join(place, "modules.builtin"), "kernel/fs/overlayfs/overlay.ko\n");
  const index = new ModuleIndex(place);
  expect(index.files(["nf_nat", "crc", "nosuch"])).toEqual(["kernel/lib/crc.ko.xz", "kernel/net/nf_conntrack.ko", "kernel/net/nf-nat.ko"]);
  expect([index.isBuiltIn("overlay"), index.isBuiltIn("crc")]).toEqual([true, false]);
});
