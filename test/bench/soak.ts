// An hour of what a CI machine does, beside containers that live through it: what their monitors hold, and what piles up.
// `npm run bench -- soak`; BERTH_SOAK gives other minutes. Fails where something grows.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeBusyboxTar } from "../fixtures/busybox.ts";
import { BERTH } from "./row.ts";
import { sh } from "./sh.ts";

const MINUTES = Number(process.env.BERTH_SOAK ?? 60);
const SAMPLES = 12;
/** Of the first half's median: what the second half's may be more. */
const GROWTH = 0.05;

const [folder = ""] = process.argv.slice(2);
const root = join(folder, "soak");
process.env.BERTH_ROOT = root;

function makeContext(): string {
  const context = join(folder, "soak-context");
  mkdirSync(context);
  writeFileSync(join(context, "Dockerfile"), "FROM bb\nCOPY stamp /stamp\nRUN cat /stamp > /copy\n");
  return context;
}

/** One job of a CI machine's. */
function work(context: string, n: number): void {
  writeFileSync(join(context, "stamp"), `${n}\n`);
  const steps = [
    `${BERTH} build -q -t job ${context}`,
    `test "$(${BERTH} run --rm job cat /copy)" = ${n}`,
    `${BERTH} run -d --name service -p 127.0.0.1::80 --health-cmd true --health-interval 1s -v /data job sh -c 'trap exit TERM; sleep 1000 & wait'`,
    `${BERTH} exec service sh -c 'echo ${n} > /data/n'`,
    `${BERTH} cp service:/data/n - | tar -tf -`,
    `${BERTH} logs keeper --tail 5`,
    `${BERTH} stop service`,
    `${BERTH} rm -v service`,
    `${BERTH} run --rm --network none -m 32m bb true`,
    `${BERTH} image prune -f`,
    `${BERTH} builder prune -f`,
  ];
  sh(steps.map((step) => `${step} >/dev/null`).join("\n"));
}

/** Who writes all the time, and who writes so seldom that its monitor rests between: some 140 times in an hour. */
const LIVING = {
  keeper: "while :; do echo line; usleep 10000; done",
  sleeper: "while :; do echo line; sleep 26; done",
};
type Living = keyof typeof LIVING;

interface Sample extends Record<`${Living}'s monitor, ${"KB of its own" | "descriptors" | "threads"}`, number> {
  "store, KB": number;
  "folders of containers": number;
  "layers and blobs": number;
  interfaces: number;
  processes: number;
}

const count = (path: string) => readdirSync(join(root, path), { recursive: true }).length;

function lookAt<Name extends Living>(name: Name, pid: string) {
  const monitor = sh(`cut -d' ' -f4 /proc/${pid}/stat`);
  const [, own = "0"] = /^Anonymous: +(\d+)/m.exec(readFileSync(`/proc/${monitor}/smaps_rollup`, "utf8")) ?? [];
  const held = {
    "KB of its own": Number(own),
    descriptors: readdirSync(`/proc/${monitor}/fd`).length,
    threads: readdirSync(`/proc/${monitor}/task`).length,
  };
  return Object.fromEntries(Object.entries(held).map(([what, n]) => [`${name}'s monitor, ${what}`, n])) as Pick<
    Sample,
    `${Name}'s monitor, ${keyof typeof held}`
  >;
}

function look(pids: Record<Living, string>): Sample {
  const isOurs = (other: string) => {
    try {
      return readFileSync(`/proc/${other}/cmdline`, "utf8").startsWith("berth-");
    } catch {
      return false;
    }
  };
  return {
    ...lookAt("keeper", pids.keeper),
    ...lookAt("sleeper", pids.sleeper),
    // Its log is cut off now and then.
    "store, KB": Math.round(statSync(join(root, "berth.db")).size / 1024),
    "folders of containers": readdirSync(join(root, "containers")).length + readdirSync(join(root, "removed")).length,
    "layers and blobs": readdirSync(join(root, "layers")).length + count("blobs"),
    interfaces: readFileSync("/proc/net/dev", "utf8").trimEnd().split("\n").length - 2,
    processes: readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isOurs(name)).length,
  };
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

sh("ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward");
const tar = join(folder, "soak.tar");
makeBusyboxTar(tar);
sh(`${BERTH} import ${tar} bb >/dev/null`);
for (const [name, script] of Object.entries(LIVING))
  sh(`${BERTH} run -d --name ${name} --log-opt max-size=1m --log-opt max-file=3 bb sh -c '${script}' >/dev/null`);
const samples: Sample[] = [];
try {
  const pidOf = (name: Living) => sh(`${BERTH} inspect -f '{{.State.Pid}}' ${name}`);
  const pids = { keeper: pidOf("keeper"), sleeper: pidOf("sleeper") };
  const context = makeContext();
  const start = performance.now();
  let jobs = 0;
  for (let sample = 1; sample <= SAMPLES; sample++) {
    while (performance.now() - start < (sample * MINUTES * 60_000) / SAMPLES) work(context, jobs++);
    await Bun.sleep(1000);
    samples.push(look(pids));
    console.log(`after ${jobs} jobs: ${JSON.stringify(samples.at(-1))}`);
  }
} finally {
  sh(`${BERTH} rm -f $(${BERTH} ps -aq) >/dev/null`);
}
console.log(`soak: ${MINUTES} minutes, medians of their first and second half`);
for (const name of Object.keys(samples[0] as Sample) as (keyof Sample)[]) {
  const half = (from: number) => median(samples.slice(from, from + SAMPLES / 2).map((sample) => sample[name]));
  const [first, second] = [half(0), half(SAMPLES / 2)];
  const grows = second > first * (1 + GROWTH) + 1;
  console.log(`  ${name.padEnd(34)} ${first} ${second}${grows ? "   grows" : ""}`);
  if (grows) process.exitCode = 1;
}
