/** What was made well is kept; what failed is tried again by the next who asks. */
export function onceWell<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch(thrown => {
      made = undefined;
      throw thrown;
    });
    return made;
  };
}
