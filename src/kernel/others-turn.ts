/** Long work that never waits leaves room for what else the process has to do: a daemon answers meanwhile. */

/** So long in a row, all that asks together. */
const A_TURN_MS = 3;

let since = 0;
let next: Promise<void> | undefined;

/** To be awaited in between: returns at once, or after what waits in the event loop has had its turn. */
export async function othersTurn(): Promise<void> {
  while (performance.now() - since >= A_TURN_MS) {
    next ??= new Promise(resolve => {
      setImmediate(() => {
        next = undefined;
        since = performance.now();
        resolve();
      });
    });
    await next;
  }
}
