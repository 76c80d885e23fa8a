/** What docker has for swarms, and berth has not. */

/** Of flags about a swarm's volumes. */
export const CLUSTER = {
  hidden: true,
  refused: "is for volumes of a swarm, and this node is not a swarm manager",
  refusedByDocker: "outside of a swarm",
} as const;
