/** The store cannot be used. */
export class StoreError extends Error {
  override name = "StoreError";
}
