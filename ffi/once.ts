/** Calls back when it is first asked: Bun's loader takes a third of a millisecond to find a module that it has loaded. */
export function once<T>(load: () => T): () => T {
  let loaded: { value: T } | undefined;
  return () => {
    loaded ??= { value: load() };
    return loaded.value;
  };
}
