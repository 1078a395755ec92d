/** One attachment and its end: the reference plugins, kuke's executed, kuke's in this process. */
import type { NetworkConfig } from '../src/cni/config.ts';
import type { CniRuntime } from '../src/cni/runtime.ts';
import { attachmentOf, freshNamespace, netnsOf, network, removeNamespace, runtimes } from './lab.ts';
import { roundsOr, type Table, timed } from './table.ts';

const ROUNDS = roundsOr(40);

const ADD = ['ADD, reference plugins', 'ADD, kuke executed', 'ADD, kuke in process'] as const;
const DEL = ['DEL, reference plugins', 'DEL, kuke executed', 'DEL, kuke in process'] as const;

export async function bench(): Promise<Table> {
  const { reference, executed, inProcess } = runtimes();
  const networks = ['ref', 'exec', 'in'].map((name, index) => network(name, index));
  const candidates = [reference, executed, inProcess];
  // As mostly: there is another, so the bridge and the chains are there, and stay.
  for (const [at, runtime] of candidates.entries()) {
    const config = networks[at];
    if (config) await runtime.add(config, attachmentOf(freshNamespace()));
  }
  const adds: number[][] = [[], [], []];
  const dels: number[][] = [[], [], []];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [at, runtime] of candidates.entries()) {
      const [add, del] = await once(runtime, networks[at] ?? network('ref', 0));
      if (round === 0) continue;
      adds[at]?.push(add);
      dels[at]?.push(del);
    }
  }
  return {
    title: 'An attachment beside another: bridge (isGateway, ipMasq) and host-local',
    unit: 'ms',
    rows: [
      { what: ADD[0], samples: adds[0] ?? [] },
      { what: ADD[1], samples: adds[1] ?? [], against: [{ what: ADD[0], most: 0.5 }] },
      { what: ADD[2], samples: adds[2] ?? [], against: [{ what: ADD[0], most: 0.15 }] },
      { what: DEL[0], samples: dels[0] ?? [] },
      { what: DEL[1], samples: dels[1] ?? [] },
      { what: DEL[2], samples: dels[2] ?? [] },
    ],
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
