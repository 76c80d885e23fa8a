/**
 * The network of a container that an ordinary user runs: no bridge can be had without root,
 * but a helper that hands on packets and published ports (pasta(1), slirp4netns(1)), where
 * one is installed.
 */
import type { Database } from "bun:sqlite";
import { type OwnedFd, pipe, readExactly, writeAll } from "../../ffi/fd.ts";
import { readFileSync, unlinkSync } from "../../ffi/files.ts";
import { bindPort } from "../../ffi/inet.ts";
import { call } from "../../ffi/libc.ts";
import { onExit } from "../../ffi/process.ts";
import { ProcessHandle } from "../../ffi/process-handle.ts";
import { connectUnix } from "../../ffi/socket.ts";
import { writeTransaction } from "../store/database.ts";
import type { PortRequest, PublishedPort, UserNetwork } from "../store/networks.ts";
import { type Address, parseAddress } from "./address.ts";
import { type HeldPort, type PortHolder, publish } from "./allocate.ts";
import { NetworkError } from "./errors.ts";

/** A helper that is installed. */
export interface UserNetworkHelper {
  kind: UserNetwork;
  program: string;
}

export interface UserNetworkOptions {
  db: Database;
  containerId: string;
  /** A process in the container's network namespace. */
  pid: number;
  ports: PortRequest[];
  /** Where slirp4netns is told of ports, or pasta tells its number; it goes again. */
  file: string;
}

const SIGTERM = 15;
const SLIRP_ADDRESS = "10.0.2.100";
const MAX_SAID = 4096; // bytes

/**
 * Gives a container its network; the helper ends with this process (pasta not where that is killed).
 *
 * @returns what the helper's life hangs on, to be held where this process becomes another program; undefined where it cannot
 * @throws {NetworkError}
 */
export function startUserNetwork({ kind, program }: UserNetworkHelper, options: UserNetworkOptions): OwnedFd | undefined {
  return kind === "pasta" ? startPasta(program, options) : startSlirp(program, options);
}

/** After another program of this process. */
export function holdUserNetwork({ kind }: UserNetworkHelper, held: OwnedFd): void {
  if (kind === "pasta") endWithUs(ProcessHandle.of(held));
}

function endWithUs(pasta: ProcessHandle): void {
  onExit(() => {
    try {
      pasta.signal(SIGTERM);
    } catch {} // it has ended
  });
}

function publishAll(
  { db, containerId, ports }: UserNetworkOptions,
  address: string,
  hold: PortHolder,
): { published: PublishedPort[]; held: HeldPort[] } {
  const held: HeldPort[] = [];
  const target = { containerId, address, address6: undefined };
  const published = writeTransaction(db, () => ports.flatMap((request) => publish(db, target, request, { hasIPv6: false, hold }, held)));
  return { published, held };
}

// It listens by itself: ports are kept until right before.
function startPasta(program: string, options: UserNetworkOptions): OwnedFd | undefined {
  const hold: PortHolder = ({ protocol, hostIp, hostPort }) => bindPort(protocol, parseAddress(hostIp) as Address, hostPort);
  const { published, held } = publishAll(options, "127.0.0.1", hold);
  for (const port of held) port.close();
  const spec = ({ hostIp, hostPort, containerPort }: PublishedPort) => `${hostIp === "0.0.0.0" ? "" : `${hostIp}/`}${hostPort}:${containerPort}`;
  const forward = (flag: string, protocol: string) => {
    const own = published.filter((port) => port.protocol === protocol);
    return own.length > 0 ? own.flatMap((port) => [flag, spec(port)]) : [flag, "none"];
  };
  const namespaces = ["--userns", `/proc/${options.pid}/ns/user`, "--netns", `/proc/${options.pid}/ns/net`];
  const args = [
    "--config-net",
    "--quiet",
    ...forward("-t", "tcp"),
    ...forward("-u", "udp"),
    "-T",
    "none",
    "-U",
    "none",
    "--no-map-gw",
    ...namespaces,
  ];
  const { exitCode, stderr } = Bun.spawnSync([program, "--pid", options.file, ...args], { env: process.env, stderr: "pipe" });
  if (exitCode !== 0) throw new NetworkError(`pasta failed: ${stderr.toString().trim().replaceAll("\n", "; ")}`);
  const pasta = ProcessHandle.open(Number(readFileSync(options.file, "latin1")));
  unlinkSync(options.file);
  endWithUs(pasta);
  return pasta.pidfd;
}

function startSlirp(program: string, options: UserNetworkOptions): OwnedFd {
  const [ready, exit, said] = [pipe(), pipe(), pipe()];
  const api = options.ports.length > 0 ? [`--api-socket=${options.file}`] : [];
  const args = ["--configure", "--mtu=65520", "--disable-host-loopback", ...api, "--ready-fd=3", "--exit-fd=4", String(options.pid), "tap0"];
  const child = Bun.spawn([program, ...args], { env: process.env, stdio: ["ignore", "ignore", said.write.fd, ready.write.fd, exit.read.fd] });
  child.unref();
  for (const end of [said.write, ready.write, exit.read]) end.close();
  const isReady = readExactly(ready.read.fd, 1).length === 1;
  const why = isReady ? "" : readExactly(said.read.fd, MAX_SAID).toString().trim().replaceAll("\n", "; ");
  ready.read.close();
  said.read.close();
  if (!isReady) throw new NetworkError(`slirp4netns failed: ${why}`);
  if (options.ports.length > 0) {
    publishAll(options, SLIRP_ADDRESS, (port) => forwardBySlirp(options.file, port));
    unlinkSync(options.file);
  }
  return exit.write; // it ends when this is closed, with us
}

// slirp4netns(1), "API SOCKET": one request a connection.
function forwardBySlirp(path: string, { protocol, hostIp, hostPort, containerIp, containerPort }: PublishedPort): undefined {
  if (protocol === "sctp") throw new NetworkError("slirp4netns passes on tcp and udp only");
  using socket = connectUnix(path);
  const where = { proto: protocol, host_addr: hostIp, host_port: hostPort, guest_addr: containerIp, guest_port: containerPort };
  writeAll(socket.fd, Buffer.from(JSON.stringify({ execute: "add_hostfwd", arguments: where })));
  call("shutdown", socket.fd, 1);
  const answer = readExactly(socket.fd, MAX_SAID).toString();
  if (answer.includes('"error"')) throw Object.assign(new Error(answer.trim()), { code: "EADDRINUSE" });
}
