/** Image references as docker writes and completes them (distribution/reference). */

/** A complete reference. */
export interface Reference {
  /** Registry host, with port where one was given. */
  domain: string;
  path: string;
  tag: string;
}

/** A text that is no image reference, and why. */
export class InvalidReference extends Error {
  override name = "InvalidReference";
}

const DOMAIN = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[\w][\w.-]{0,127}$/;

/** Completes `bb` to `docker.io/library/bb:latest`. Throws {@link InvalidReference}. */
export function parseReference(text: string): Reference {
  const invalid = (why: string) => new InvalidReference(`invalid reference format: ${JSON.stringify(text)}: ${why}`);
  if (text === "") throw invalid("it is empty");
  if (text.includes("@")) throw invalid("digests are not supported yet");
  if (/^[0-9a-f]{64}$/.test(text)) throw invalid("64 hexadecimal digits are an image id, not a name");
  const slash = text.indexOf("/");
  const head = text.slice(0, slash);
  const hasDomain = slash > 0 && (/[.:]/.test(head) || head === "localhost" || head.toLowerCase() !== head);
  const domain = hasDomain ? head : "docker.io";
  if (!DOMAIN.test(domain)) throw invalid(`"${domain}" is no registry host`);
  let rest = hasDomain ? text.slice(slash + 1) : text;
  let tag = "latest";
  const colon = rest.lastIndexOf(":");
  if (colon >= 0) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!TAG.test(tag)) throw invalid(`"${tag}" is no tag`);
  }
  if (rest.toLowerCase() !== rest) throw invalid("repository name must be lowercase");
  for (const component of rest.split("/")) if (!COMPONENT.test(component)) throw invalid(`"${component}" is no repository name`);
  if (rest.length > 255) throw invalid("repository name must not be more than 255 characters");
  const official = (domain === "docker.io" || domain === "index.docker.io") && !rest.includes("/");
  return { domain: domain === "index.docker.io" ? "docker.io" : domain, path: official ? `library/${rest}` : rest, tag };
}

/** The full name, as the store keeps it. */
export function formatReference({ domain, path, tag }: Reference): string {
  return `${domain}/${path}:${tag}`;
}

/** The short name, as docker shows it: repository and tag. */
export function familiarName(full: string): { repository: string; tag: string } {
  const colon = full.lastIndexOf(":");
  const repository = full.slice(0, colon).replace(/^docker\.io\/(library\/)?/, "");
  return { repository, tag: full.slice(colon + 1) };
}
