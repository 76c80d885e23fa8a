/** A blob on its way into a registry (distribution-spec, "Pushing blobs"). */
import { BACKOFF, type Body, type Connection, RETRIES, RegistryError } from "./connection.ts";

/** Content that can be sent more than once, and from the middle. */
export interface UploadContent {
  digest: string;
  /** Bytes. */
  size: number;
  /** From one offset up to another. */
  slice(from: number, to: number): Body;
}

/** For registries, or proxies before them, that take no large requests. */
const CHUNK = 16 << 20;

/**
 * Sends a blob in one piece, as docker does: in smaller ones where that is too much, and
 * from where it broke off when the connection does.
 *
 * @param uploads path under which an upload is opened
 * @param started the answer that opened the upload
 * @throws {RegistryError}
 */
export async function uploadBlob(connection: Connection, uploads: string, started: Response, content: UploadContent): Promise<void> {
  const { size, digest } = content;
  let url = openedAt(connection, started, uploads);
  let chunk = Math.max(size, 1);
  let at = 0;
  let failures = 0;
  while (at < size) {
    const from = at;
    const to = Math.min(from + chunk, size);
    let response: Response;
    try {
      response = await connection.request(url, {
        method: "PATCH",
        headers: {
          "Content-Type": "application/octet-stream",
          "Content-Length": String(to - from),
          // The whole in one piece is no chunk: not every registry takes those.
          ...(to - from < size && { "Content-Range": `${from}-${to - 1}` }),
        },
        body: () => content.slice(from, to),
        accept: [201, 202, 204],
        once: true,
      });
    } catch (error) {
      const status = error instanceof RegistryError ? error.status : undefined;
      if (status === 413 && chunk > CHUNK) {
        chunk = Math.max(CHUNK, Number(started.headers.get("OCI-Chunk-Min-Length")) || 0);
        continue;
      }
      const mayRepeat = status === undefined || status === 416 || status === 429 || status >= 500;
      if (!mayRepeat || failures++ >= RETRIES) throw error;
      await Bun.sleep(BACKOFF * 2 ** (failures - 1));
      ({ url, at } = await askProgress(connection, uploads, url));
      if (at > from) failures = 0;
      continue;
    }
    url = locationOf(response, url);
    at = to;
    failures = 0;
  }
  const end = new URL(url);
  end.searchParams.set("digest", digest);
  await connection.request(end.href, { method: "PUT", headers: { "Content-Length": "0" }, accept: [201, 204] });
}

// How much the registry has; where it forgot the upload, a new one is opened.
async function askProgress(connection: Connection, uploads: string, url: string): Promise<{ url: string; at: number }> {
  const status = await connection.request(url, { accept: [204, 202, 200, 404] });
  if (status.status === 404) {
    const again = await connection.request(uploads, { method: "POST", headers: { "Content-Length": "0" }, accept: [202] });
    return { url: openedAt(connection, again, uploads), at: 0 };
  }
  const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(status.headers.get("Range") ?? "")?.[1] ?? 0);
  return { url: locationOf(status, url), at: last === 0 ? 0 : last + 1 };
}

function openedAt(connection: Connection, response: Response, uploads: string): string {
  if (!response.headers.has("Location")) throw new RegistryError(`${connection.domain} opened an upload without saying where`);
  return locationOf(response, connection.url(uploads));
}

// Where the next request goes, told relative to the last one's address (RFC 9110, 10.2.2).
function locationOf(response: Response, asked: string): string {
  return new URL(response.headers.get("Location") ?? "", asked).href;
}
