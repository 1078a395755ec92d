/**
 * One shim serves all tasks of a group (OCI annotation `io.containerd.runc.v2.group`), and the first one to be created brings it up.
 * Two that try at once may each bring one up, of which containerd then loses sight: it runs for ever (seen with containerd 2.1).
 */
const turns = new Map<string, Promise<void>>();

/** Runs `create` when all earlier ones of that group, in this process, are done. */
export async function inTurn<T>(group: string, create: () => Promise<T>): Promise<T> {
  const earlier = turns.get(group);
  const done = Promise.withResolvers<void>();
  turns.set(group, done.promise);
  try {
    await earlier;
    return await create();
  } finally {
    if (turns.get(group) === done.promise) turns.delete(group);
    done.resolve();
  }
}
