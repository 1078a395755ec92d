/** How soon kukeond answers while it brings fifty cells up, and while nothing goes on; and what a thousand clients that watch cost. */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as client } from '../src/client/index.ts';
import { startContainerd } from '../test/host/containerd.ts';
import { cell, container } from '../test/host/kuke/cells.ts';
import { binary } from '../test/host/kuke/kuke.ts';
import { kuke } from './peers/kuke.ts';
import { quantile, roundsOr, type Table, timed } from './table.ts';

const CELLS = 50;
const ROUNDS = roundsOr(3);
/** At the 99th percentile (issue 6). */
const MOST_MS = 10;
const EVERY_MS = 5;
const WATCHERS = 1000;

export async function bench(): Promise<Table[]> {
  await using _ = await startContainerd();
  await kuke();
  const daemon = Bun.spawn([binary, 'daemon', 'serve'], { stdout: 'ignore', stderr: 'ignore' });
  const api = client();
  while (!(await api.version().catch(() => undefined))) await Bun.sleep(20);
  const asked = {
    'a list of cells': () => api.list('Cell'),
    'one realm': () => api.get('Realm', { name: 'main' }),
    'a version, which asks containerd': () => api.version(),
  };
  const busy: Record<string, number[]> = {};
  const idle: Record<string, number[]> = {};
  /** In turn, until `isOver`. */
  const ask = async (into: Record<string, number[]>, isOver: () => boolean): Promise<void> => {
    while (!isOver()) {
      for (const [name, one] of Object.entries(asked)) {
        into[name] = [...(into[name] ?? []), await timed(one)];
        await Bun.sleep(EVERY_MS);
      }
    }
  };
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const stack = { apiVersion: 'v1beta1', kind: 'Stack', metadata: { name: `r${round}` }, spec: {} } as const;
    const cells = Array.from({ length: CELLS }, (_, index) => {
      const one = cell(`c${index}`, [container('main')]);
      return { ...one, spec: { ...one.spec, stackId: stack.metadata.name } };
    });
    const text = JSON.stringify({ kind: 'List', items: [stack, ...cells] });
    let isDone = false;
    const applied = timed(() => api.apply(text)).finally(() => {
      isDone = true;
    });
    await ask(busy, () => isDone);
    took.push(await applied);
    const until = performance.now() + 3000;
    await ask(idle, () => performance.now() > until);
    await api.delete('Stack', stack.metadata, { cascade: true, force: true });
  }
  const cost = await watching(daemon.pid, api);
  daemon.kill('SIGTERM');
  await daemon.exited;
  const rows = (samples: Record<string, number[]>, when: string) =>
    Object.entries(samples).flatMap(([what, all]) => [
      { what: `${what}, ${when}`, samples: all },
      { what: `${what}, ${when}, 99th percentile`, samples: [quantile(all, 0.99)], most: MOST_MS },
    ]);
  return [
    {
      title: `kukeond's answers while ${CELLS} cells are created`,
      unit: 'ms',
      rows: [
        ...rows(busy, 'meanwhile'),
        ...rows(idle, 'afterwards'),
        { what: `${CELLS} cells by the API`, samples: took },
      ],
    },
    { title: `${WATCHERS} clients that watch`, unit: 'ms', rows: cost },
  ];
}

/** Again where more wait to be accepted than there is room for. */
async function connected(): Promise<Socket> {
  for (;;) {
    const socket = connect('/run/kukeon/kukeond.sock');
    const isThere = await new Promise(resolve =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    );
    if (isThere) return socket;
    await Bun.sleep(5);
  }
}

/** From the end of a change to the last client's having been told, and what the clients cost in memory. */
async function watching(pid: number, api: ReturnType<typeof client>): Promise<Table['rows']> {
  const rss = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const before = rss();
  const heard = new Map<Socket, string>();
  for (let index = 0; index < WATCHERS; index++) {
    const socket = await connected();
    heard.set(socket, '');
    socket.on('data', piece => heard.set(socket, heard.get(socket) + piece.toString()));
    socket.write('GET /v1beta1/stacks?watch=true HTTP/1.1\r\nhost: x\r\n\r\n');
  }
  const all = async (what: string) => {
    while (heard.values().some(text => !text.includes(what))) await Bun.sleep(1);
  };
  await all('BOOKMARK');
  const after = rss();
  const samples: number[] = [];
  for (let round = 0; round < 5; round++) {
    const name = `told-${round}`;
    const stack = { apiVersion: 'v1beta1', kind: 'Stack', metadata: { name }, spec: {} } as const;
    await api.apply(stack);
    samples.push(await timed(() => all(`"${name}"`)));
  }
  for (const socket of heard.keys()) socket.destroy();
  return [
    { what: 'all are told of a change', samples },
    { what: 'of memory, for all', samples: [after - before], unit: 'MiB' },
  ];
}
