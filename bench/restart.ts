/** From a container's death to its replacement running, by kukeond: different containers are killed one after another. */
import { startContainerd } from '../test/host/containerd.ts';
import { type Cell, cell, container } from '../test/host/kuke/cells.ts';
import { apply, binary, kuke as kukeWell } from '../test/host/kuke/kuke.ts';
import { kuke } from './peers/kuke.ts';
import { quantile, roundsOr, type Table } from './table.ts';

const KILLS = roundsOr(500);
const IN_A_CELL = 5;
/** At the 99th percentile (issue 6). */
const MOST_MS = 150;
/** Between a restart and the next kill: what is noted of it is on the disk by then. */
const REST_MS = 150;

interface Line {
  time: string;
  message: string;
  resource?: string;
  members?: string[];
}

export async function bench(): Promise<Table> {
  await using _ = await startContainerd();
  await kuke();
  const ids = Array.from({ length: IN_A_CELL }, (_, index) => `c${index}`);
  const cells = Array.from({ length: Math.ceil(KILLS / IN_A_CELL) }, (_, index) => `n${index}`);
  const documents = cells.map(name =>
    cell(
      name,
      ids.map(id => container(id, { restartPolicy: 'always' })),
    ),
  );
  for (let from = 0; from < documents.length; from += 20) await apply(...documents.slice(from, from + 20));
  const daemon = Bun.spawn([binary, 'daemon', 'serve'], { stdout: 'ignore', stderr: 'pipe' });
  const said = linesOf(daemon.stderr);
  await said.until(({ message }) => message === 'kukeond is ready');
  await Bun.sleep(5000);
  const { items } = JSON.parse(await kukeWell('get', 'cells', '-o', 'json')) as { items: Cell[] };
  const victims = items.flatMap(({ metadata, status }) =>
    status.containers.map(({ id, pid = 0 }) => ({ cell: metadata.name, id, pid })),
  );
  const [roots, others]: number[][] = [[], []];
  for (const { cell: name, id, pid } of victims.slice(0, KILLS)) {
    if (pid < 2) throw new Error(`${name}/${id} does not run`);
    const since = Date.now();
    process.kill(pid, 'SIGKILL');
    const isIt = ({ message, resource, members }: Line) =>
      message === 'restarted' && resource === `cell main/default/default/${name}` && members?.includes(id) === true;
    const { time } = await said.until(isIt);
    (id === 'c0' ? roots : others)?.push(Date.parse(time) - since);
    await Bun.sleep(REST_MS);
  }
  daemon.kill('SIGTERM');
  await daemon.exited;
  const all = [...(roots ?? []), ...(others ?? [])];
  return {
    title: `Restarts beside ${cells.length} cells of ${IN_A_CELL} containers`,
    unit: 'ms',
    rows: [
      { what: 'a root', samples: roots ?? [] },
      { what: 'another container', samples: others ?? [] },
      { what: 'any, 99th percentile', samples: [quantile(all, 0.99)], most: MOST_MS },
    ],
    notes: ['From kill(2) to the time at which kukeond logs that the new first process runs.'],
  };
}

/** What it says, in order; each line is told once. */
function linesOf(stream: ReadableStream<Uint8Array>) {
  const lines: Line[] = [];
  let wake = () => {};
  void (async () => {
    let rest = '';
    for await (const bytes of stream) {
      const whole = (rest + new TextDecoder().decode(bytes)).split('\n');
      rest = whole.pop() ?? '';
      for (const line of whole) lines.push(JSON.parse(line));
      wake();
    }
  })();
  return {
    async until(isIt: (line: Line) => boolean): Promise<Line> {
      for (;;) {
        const at = lines.findIndex(isIt);
        const [line] = at < 0 ? [] : lines.splice(at, 1);
        if (line !== undefined) return line;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    },
  };
}
