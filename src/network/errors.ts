/** A network that cannot be had, in words for a user. */
export class NetworkError extends Error {
  override name = "NetworkError";
}
