/** Names for containers whose user gave none: an adjective and a ship's word. */
import { randomBelow } from "../../ffi/random.ts";

// biome-ignore format: word lists
const ADJECTIVES = [
  "able", "agile", "amber", "ample", "azure", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "clever", "coastal", "coral",
  "cosmic", "crisp", "dapper", "daring", "deft", "eager", "early", "easy", "fair", "fast", "fearless", "fine", "fleet", "fond", "frank", "fresh",
  "gallant", "gentle", "glad", "golden", "grand", "handy", "happy", "hardy", "hearty", "honest", "humble", "ideal", "jolly", "keen", "kind",
  "lively", "loyal", "lucid", "lucky", "merry", "mighty", "modest", "neat", "nimble", "noble", "patient", "plucky", "polite", "prime", "proud",
  "quick", "quiet", "rapid", "ready", "robust", "salty", "serene", "sharp", "silver", "smart", "snug", "solid", "spry", "stable", "steady",
  "stout", "sturdy", "sunny", "sure", "swift", "tidal", "tidy", "trim", "true", "trusty", "upbeat", "valiant", "vivid", "warm", "wise", "witty",
];
// biome-ignore format: word lists
const SHIP_WORDS = [
  "anchor", "barge", "barque", "beacon", "berth", "bollard", "boom", "bosun", "bow", "bowline", "brig", "bridge", "bulwark", "buoy", "cabin",
  "capstan", "caravel", "catamaran", "cleat", "clipper", "compass", "corvette", "crew", "cutter", "davit", "deck", "dhow", "dinghy", "dock",
  "dory", "draft", "fender", "ferry", "fleet", "frigate", "funnel", "galleon", "galley", "gangway", "halyard", "harbor", "hatch", "hawser",
  "helm", "hull", "jetty", "jib", "junk", "kayak", "keel", "ketch", "knot", "lagoon", "lighter", "lugger", "mainsail", "mast", "mooring",
  "oar", "packet", "pier", "pilot", "pinnace", "port", "prow", "quay", "raft", "rigging", "rudder", "sail", "schooner", "sextant", "shoal",
  "skiff", "sloop", "spar", "spinnaker", "starboard", "stern", "tender", "tide", "tiller", "topsail", "trawler", "trimaran", "tug", "wake",
  "wharf", "winch", "windlass", "xebec", "yacht", "yard", "yawl",
];

const pick = (words: string[]) => words[randomBelow(words.length)] as string;

/** A name such as `brisk_schooner`; from the third attempt on with a number behind it. */
export function generateName(attempt: number): string {
  const name = `${pick(ADJECTIVES)}_${pick(SHIP_WORDS)}`;
  return attempt < 2 ? name : `${name}${randomBelow(10 ** attempt)}`;
}
