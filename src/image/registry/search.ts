/** Search for images (docker's index, v1/search; elsewhere also the catalog of the distribution API). */
import { Registry } from "./client.ts";
import { Connection, type ConnectionOptions, RegistryError } from "./connection.ts";

export interface FoundImage {
  name: string;
  description: string;
  stars: number;
  isOfficial: boolean;
  isAutomated: boolean;
}

interface Answer {
  results?: { name: string; description?: string; star_count?: number; is_official?: boolean; is_automated?: boolean }[];
}

/** Images of a registry whose names have a word in them. Throws {@link RegistryError} where the registry offers no search. */
export async function searchRegistry(domain: string, term: string, limit: number, options: ConnectionOptions): Promise<FoundImage[]> {
  const connection = new Connection(domain === "docker.io" ? "index.docker.io" : domain, options);
  const query = new URLSearchParams({ q: term, n: String(limit) });
  const response = await connection.request(`/v1/search?${query}`, { accept: [200, 404, 405] });
  if (response.status === 200 && /json/.test(response.headers.get("Content-Type") ?? "")) {
    const { results = [] } = (await response.json()) as Answer;
    return results.slice(0, limit).map((result) => ({
      name: result.name,
      description: result.description ?? "",
      stars: result.star_count ?? 0,
      isOfficial: result.is_official ?? false,
      isAutomated: result.is_automated ?? false,
    }));
  }
  let names: string[];
  try {
    names = await new Registry(domain, "", options).repositories();
  } catch (error) {
    if (error instanceof RegistryError && error.status !== undefined) throw new RegistryError(`${domain} offers no search`, error.status);
    throw error;
  }
  const found = names.filter((name) => name.includes(term)).slice(0, limit);
  return found.map((name) => ({ name: `${domain}/${name}`, description: "", stars: 0, isOfficial: false, isAutomated: false }));
}
