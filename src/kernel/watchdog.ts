/**
 * A synchronous loop stops every timer, so only another thread can end it: it names the plugin and kills the process, and the next
 * kuke finds in the journal what is to be undone (design.md, Plugins). Started with the first watched call, of a third party's plugin.
 */

/** Past the plugin's own time limit, which ends all but such loops. */
const GRACE_MS = 2000;
const LONGEST_MS = 2 ** 31 - 1;
const TEXT_MAX = 512;

/** Int32: twice as often as calls have begun or ended, odd while the rest is written; the length of the text; how many are under way; the longest that one may take. Then the text. */
const HEADER_BYTES = 16;

interface Watchdog {
  state: Int32Array;
  text: Uint8Array;
  active: Call[];
}

interface Call {
  what: string;
  limitMs: number;
}

let watchdog: Watchdog | undefined;

/** Watches what runs from now on until the returned function is called. `what` names it: `hook container:spec of plugin greeting`. */
export function watch(what: string, limitMs: number): () => void {
  watchdog ??= start();
  const dog = watchdog;
  const call = { what, limitMs };
  dog.active.push(call);
  publish(dog);
  return () => {
    dog.active.splice(dog.active.indexOf(call), 1);
    publish(dog);
  };
}

function publish({ state, text, active }: Watchdog): void {
  Atomics.add(state, 0, 1);
  const { written } = new TextEncoder().encodeInto(active.at(-1)?.what ?? '', text);
  Atomics.store(state, 1, written);
  Atomics.store(state, 2, active.length);
  Atomics.store(state, 3, Math.min(LONGEST_MS, Math.max(...active.map(({ limitMs }) => limitMs)) + GRACE_MS));
  Atomics.add(state, 0, 1);
  Atomics.notify(state, 0);
}

function start(): Watchdog {
  const memory = new SharedArrayBuffer(HEADER_BYTES + TEXT_MAX);
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'application/javascript' })));
  worker.postMessage({ memory, header: HEADER_BYTES });
  worker.unref();
  return { state: new Int32Array(memory, 0, 4), text: new Uint8Array(memory, HEADER_BYTES), active: [] };
}

// A blob, since a worker in a file of its own would have to be an entry point of the build.
const source = `
  onmessage = ({ data: { memory, header } }) => {
    const state = new Int32Array(memory, 0, 4);
    const text = new Uint8Array(memory, header);
    for (;;) {
      const seen = Atomics.load(state, 0);
      if (seen & 1) continue;
      const limitMs = Atomics.load(state, 2) > 0 ? Atomics.load(state, 3) : Infinity;
      if (Atomics.wait(state, 0, seen, limitMs) !== 'timed-out' || Atomics.load(state, 0) !== seen) continue;
      const what = new TextDecoder().decode(text.slice(0, Atomics.load(state, 1)));
      require('node:fs').writeSync(2, 'error: ' + what + ': it loops and cannot be interrupted, so kuke has been ended '
        + '(take the plugin out of the plugins folder; the next command puts right what was begun)\\n');
      process.kill(process.pid, 'SIGKILL');
    }
  };
`;
