/** Traffic control (linux/pkt_sched.h): the token bucket filter, which holds a link's outgoing side to a rate. */
import { attribute, type Message, NLM_F_CREATE, nested, u32 } from "./socket.ts";

const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const NLM_F_REPLACE = 0x100;
const TC_H_ROOT = 0xffffffff;
const HANDLE = 0x10000; // 1:
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_TBF_PARMS = 1;
const TCA_TBF_RATE64 = 4;
const TCA_TBF_BURST = 6;
const TC_LINKLAYER_ETHERNET = 1;

// struct tcmsg: family, padding, link, handle, parent, info.
function header(link: number, handle: number): Buffer {
  const b = Buffer.alloc(20);
  b.writeInt32LE(link, 4);
  b.writeUInt32LE(handle, 8);
  b.writeUInt32LE(TC_H_ROOT, 12);
  return b;
}

/**
 * Holds what leaves by a link to a rate.
 *
 * @param rate bytes a second
 * @param burst bytes that may go at once; at least a packet
 * @param limit bytes that may wait; what comes then is dropped
 */
export function setTokenBucket(link: number, rate: number, burst: number, limit: number): Message {
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
  return {
    type: RTM_NEWQDISC,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    payload: Buffer.concat([header(link, HANDLE), attribute(TCA_KIND, "tbf"), nested(TCA_OPTIONS, options)]),
  };
}

/** Takes the rate away. ENOENT or EINVAL where there was none. */
export function deleteTokenBucket(link: number): Message {
  return { type: RTM_DELQDISC, flags: 0, payload: header(link, HANDLE) };
}
