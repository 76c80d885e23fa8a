/** Traffic control (linux/pkt_sched.h) of what leaves by a link: the token bucket filter, which holds it to a rate, and netem, which delays and loses it. */
import { attribute, type Message, NLM_F_CREATE, u32 } from "./socket.ts";

const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const NLM_F_REPLACE = 0x100;
const TC_H_ROOT = 0xffffffff;
/** Of the queueing disciplines; a new kind at the root takes a new one. */
const TBF_ROOT = 0x10000; // 1:
const NETEM_ROOT = 0x20000; // 2:
const TBF_BELOW = 0x30000; // 3:
const NETEM_CLASS = 0x20001; // 2:1
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_TBF_PARMS = 1;
const TCA_TBF_RATE64 = 4;
const TCA_TBF_BURST = 6;
const TC_LINKLAYER_ETHERNET = 1;

// struct tcmsg: family, padding, link, handle, parent, info.
function header(link: number, handle: number, parent: number): Buffer {
  const b = Buffer.alloc(20);
  b.writeInt32LE(link, 4);
  b.writeUInt32LE(handle, 8);
  b.writeUInt32LE(parent, 12);
  return b;
}

/**
 * Holds what leaves by a link to a rate.
 *
 * @param isBelow whether below {@link setEmulation}'s, else alone
 * @param rate bytes a second
 * @param burst bytes that may go at once; at least a packet
 * @param limit bytes that may wait; what comes then is dropped
 */
export function setTokenBucket(link: number, isBelow: boolean, rate: number, burst: number, limit: number): Message {
  const spec = (bytes: number) => {
    const b = Buffer.alloc(12); // struct tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, rate
    b[1] = TC_LINKLAYER_ETHERNET;
    b.writeUInt32LE(Math.min(bytes, 0xffffffff), 8);
    return b;
  };
  const parameters = Buffer.concat([spec(rate), spec(0), u32(limit), u32(0), u32(0)]); // struct tc_tbf_qopt
  const rate64 = Buffer.alloc(8);
  rate64.writeBigUInt64LE(BigInt(rate));
  const options = [attribute(TCA_TBF_PARMS, parameters), attribute(TCA_TBF_BURST, burst)];
  if (rate > 0xffffffff) options.push(attribute(TCA_TBF_RATE64, rate64));
  return newDiscipline("tbf", isBelow ? header(link, TBF_BELOW, NETEM_CLASS) : header(link, TBF_ROOT, TC_H_ROOT), Buffer.concat(options));
}

const NETEM_LIMIT = 20_000; // packets that are under way
const TICK = 64; // nanoseconds (linux/pkt_sched.h, PSCHED_SHIFT)

/**
 * Delays and loses what leaves by a link; takes the place of a rate.
 *
 * @param delay microseconds
 * @param loss percent
 */
export function setEmulation(link: number, delay: number, loss: number): Message {
  // struct tc_netem_qopt: latency in ticks, limit, loss, gap, duplicate, jitter
  const parameters = [Math.round((delay * 1000) / TICK), NETEM_LIMIT, Math.round((loss / 100) * 0xffffffff), 0, 0, 0];
  return newDiscipline("netem", header(link, NETEM_ROOT, TC_H_ROOT), Buffer.concat(parameters.map(u32)));
}

function newDiscipline(kind: string, head: Buffer, options: Buffer): Message {
  const payload = Buffer.concat([head, attribute(TCA_KIND, kind), attribute(TCA_OPTIONS, options)]);
  return { type: RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_REPLACE, payload };
}

/** Takes all of it away. ENOENT or EINVAL where there was nothing. */
export function deleteDiscipline(link: number): Message {
  return { type: RTM_DELQDISC, flags: 0, payload: header(link, 0, TC_H_ROOT) };
}
