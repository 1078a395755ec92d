/** One attachment and its end: the reference plugins, kuke's executed, with kukeond and without, kuke's in this process. */
import { renameSync } from 'node:fs';
import type { NetworkConfig } from '../src/cni/config.ts';
import { CNI_SOCKET } from '../src/cni/plugins/hand-over.ts';
import type { CniRuntime } from '../src/cni/runtime.ts';
import { attachmentOf, freshNamespace, netnsOf, network, removeNamespace, runtimes } from './lab.ts';
import { roundsOr, type Table, timed } from './table.ts';

const ROUNDS = roundsOr(40);

const NAMES = ['reference plugins', 'kuke executed', 'kuke executed, kukeond runs', 'kuke in process'] as const;
/** Of the reference's, at most; issue 3. */
const MOST = [undefined, undefined, 0.5, 0.15] as const;
/** Where nobody looks for it: executed plugins do their own work then. */
const ASIDE = `${CNI_SOCKET}.aside`;

export async function bench(): Promise<Table> {
  const { reference, executed, inProcess } = runtimes();
  await using _ = await startDaemon();
  renameSync(CNI_SOCKET, ASIDE);
  const networks = ['ref', 'exec', 'hand', 'in'].map((name, index) => network(name, index));
  const candidates = [reference, executed, executed, inProcess];
  // As mostly: there is another, so the bridge and the chains are there, and stay.
  for (const [at, runtime] of candidates.entries()) {
    const config = networks[at];
    if (config) await runtime.add(config, attachmentOf(freshNamespace()));
  }
  const adds: number[][] = NAMES.map(() => []);
  const dels: number[][] = NAMES.map(() => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [at, runtime] of candidates.entries()) {
      if (at === HANDED) renameSync(ASIDE, CNI_SOCKET);
      const [add, del] = await once(runtime, networks[at] ?? network('ref', 0));
      if (at === HANDED) renameSync(CNI_SOCKET, ASIDE);
      if (round === 0) continue;
      adds[at]?.push(add);
      dels[at]?.push(del);
    }
  }
  const added = NAMES.map(name => `ADD, ${name}`);
  return {
    title: 'An attachment beside another: bridge (isGateway, ipMasq) and host-local',
    unit: 'ms',
    rows: [
      ...added.map((what, at) => {
        const most = MOST[at];
        const against = most === undefined ? {} : { against: [{ what: added[0] ?? '', most }] };
        return { what, samples: adds[at] ?? [], ...against };
      }),
      ...NAMES.map((name, at) => ({ what: `DEL, ${name}`, samples: dels[at] ?? [] })),
    ],
  };
}

const HANDED = 2;

/** kukeond, which needs neither containerd nor an installation for this. */
async function startDaemon(): Promise<AsyncDisposable> {
  const daemon = Bun.spawn([process.env.KUKE_TEST_BINARY ?? '', 'daemon', 'serve'], { stderr: 'pipe' });
  const decoder = new TextDecoder();
  let said = '';
  for await (const piece of daemon.stderr) {
    said += decoder.decode(piece, { stream: true });
    if (said.includes('kukeond is ready')) break;
  }
  return {
    async [Symbol.asyncDispose]() {
      daemon.kill();
      await daemon.exited;
    },
  };
}

async function once(runtime: CniRuntime, config: NetworkConfig): Promise<[add: number, del: number]> {
  const id = freshNamespace();
  const add = await timed(() => runtime.add(config, attachmentOf(id)));
  const del = await timed(() =>
    runtime.del({ network: config.name, containerId: id, ifName: 'eth0' }, { netns: netnsOf(id) }),
  );
  removeNamespace(id);
  return [add, del];
}
