/** In the order in which Go, and so docker, prints a map: by its keys. */
export const goMap = <T>(map: Record<string, T>): Record<string, T> => Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
