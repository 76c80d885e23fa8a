/** JSON as Go's encoder writes it for docker: no escapes for HTML. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, v) => (typeof v === "function" ? v() : v)) ?? "null";
}
