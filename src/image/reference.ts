/** Image references as docker writes and completes them (distribution/reference). */

/** A complete reference. */
export interface Reference {
  /** Registry host, with port where one was given. */
  domain: string;
  path: string;
  tag: string;
  /** `sha256:…`, where the text had one; then the tag is only a comment. */
  digest?: string;
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
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest))) {
    throw invalid(`"${[digest, ...more].join("@")}" is no digest, expected sha256: and 64 hexadecimal digits`);
  }
  if (/^[0-9a-f]{64}$/.test(named)) throw invalid("64 hexadecimal digits are an image id, not a name");
  const slash = named.indexOf("/");
  const head = named.slice(0, slash);
  const hasDomain = slash > 0 && (/[.:]/.test(head) || head === "localhost" || head.toLowerCase() !== head);
  const domain = hasDomain ? head : "docker.io";
  if (!DOMAIN.test(domain)) throw invalid(`"${domain}" is no registry host`);
  let rest = hasDomain ? named.slice(slash + 1) : named;
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
  return {
    domain: domain === "index.docker.io" ? "docker.io" : domain,
    path: official ? `library/${rest}` : rest,
    tag,
    ...(digest !== undefined && { digest }),
  };
}

/** Whether a reference says which image of its repository is meant. */
export const isTagged = (text: string): boolean => /[:@]/.test(text.slice(text.lastIndexOf("/") + 1));

/** The full name, as the store keeps it. */
export function formatReference({ domain, path, tag }: Reference): string {
  return `${domain}/${path}:${tag}`;
}

/** The repository's full name. */
export function repositoryOf({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}

/** The short name, as docker shows it: repository and tag. */
export function familiarName(full: string): { repository: string; tag: string } {
  const colon = full.lastIndexOf(":");
  const repository = full.slice(0, colon).replace(/^docker\.io\/(library\/)?/, "");
  return { repository, tag: full.slice(colon + 1) };
}
