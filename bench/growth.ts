/**
 * Whether an attachment costs more where there are many: with some ten in the space, and with some five hundred, in turn. The reference plugins,
 * on networks of their own, are the control: the kernel has the same to do for them.
 */
import type { NetworkConfig } from '../src/cni/config.ts';
import type { CniRuntime } from '../src/cni/runtime.ts';
import { addNamespaces, attachmentOf, netnsOf, network, runtimes } from './lab.ts';
import { type Row, roundsOr, type Table, timed } from './table.ts';

const FEW = 10;
const MANY = 500;
/** Times the tenth; issue 3. */
const MOST = 1.2;
const ROUNDS = roundsOr(40);

export async function bench(): Promise<Table> {
  const { inProcess, executed, reference } = runtimes();
  const own = [network('few', 0), network('many', 1)] as const;
  const others = [network('ref-few', 2), network('ref-many', 3)] as const;
  for (const [runtime, [few, many]] of [
    [inProcess, own],
    [reference, others],
  ] as const) {
    await fill(runtime, few, FEW - 1);
    await fill(runtime, many, MANY - 1);
  }
  // New containers look for routers three times, four seconds apart (RFC 4861, 6.3.7), and the bridge hands it to all of them.
  await Bun.sleep(15_000);
  const rows: Row[] = [];
  for (const [how, runtime, [few, many], most] of [
    ['in process', inProcess, own, MOST],
    ['executed', executed, own, MOST],
    ['reference plugins', reference, others, undefined],
  ] as const) {
    const samples = { few: [] as number[], many: [] as number[], delFew: [] as number[], delMany: [] as number[] };
    for (let round = 0; round <= ROUNDS; round++) {
      const [a, b] = await once(runtime, few, `few-${how.slice(0, 2)}-${round}`);
      const [c, d] = await once(runtime, many, `many-${how.slice(0, 2)}-${round}`);
      if (round === 0) continue;
      samples.few.push(a);
      samples.delFew.push(b);
      samples.many.push(c);
      samples.delMany.push(d);
    }
    const tenth = `${how}: ADD of the ${FEW}th`;
    const del = `${how}: DEL of the ${FEW}th`;
    rows.push(
      { what: tenth, samples: samples.few },
      {
        what: `${how}: ADD of the ${MANY}th`,
        samples: samples.many,
        ...(most !== undefined && { against: [{ what: tenth, most }] }),
      },
      { what: del, samples: samples.delFew },
      { what: `${how}: DEL of the ${MANY}th`, samples: samples.delMany },
    );
  }
  return { title: `The ${MANY}th attachment of a network beside the ${FEW}th`, unit: 'ms', rows };
}

async function fill(runtime: CniRuntime, config: NetworkConfig, count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => `${config.name}${index}`);
  addNamespaces(...ids);
  for (const id of ids) await runtime.add(config, attachmentOf(id));
}

async function once(runtime: CniRuntime, config: NetworkConfig, id: string): Promise<[add: number, del: number]> {
  addNamespaces(id);
  const add = await timed(() => runtime.add(config, attachmentOf(id)));
  const ended = { network: config.name, containerId: id, ifName: 'eth0' };
  return [add, await timed(() => runtime.del(ended, { netns: netnsOf(id) }))];
}
