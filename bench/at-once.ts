/** A hundred attachments at once on a network that is new: kuke's plugins executed, a process each, and in this process. */
import type { CniRuntime } from '../src/cni/runtime.ts';
import { addNamespaces, attachmentOf, netnsOf, network, runtimes } from './lab.ts';
import { roundsOr, type Table, timed } from './table.ts';

const COUNT = 100;
const ROUNDS = roundsOr(3);

export async function bench(): Promise<Table> {
  const { reference, executed, inProcess } = runtimes();
  const failures: string[] = [];
  const seen = async (what: string, runtime: CniRuntime, index: number) => {
    const samples: number[] = [];
    for (let round = 0; round < ROUNDS; round++) samples.push(await allAtOnce(what, runtime, index, round, failures));
    return { what, samples };
  };
  const rows = [
    await seen('reference plugins', reference, 0),
    await seen('kuke executed', executed, 1),
    await seen('kuke in process', inProcess, 2),
  ];
  const notes = failures.length > 0 ? failures : ['No failure, and no address was given twice.'];
  return { title: `${COUNT} attachments at once`, unit: 'ms for all', rows, notes };
}

async function allAtOnce(
  what: string,
  runtime: CniRuntime,
  index: number,
  round: number,
  failures: string[],
): Promise<number> {
  const name = `w${index}r${round}`;
  const config = network(name, index * ROUNDS + round);
  const ids = Array.from({ length: COUNT }, (_, at) => `${name}c${at}`);
  addNamespaces(...ids);
  const addresses: string[] = [];
  const took = await timed(async () => {
    const all = await Promise.allSettled(ids.map(id => runtime.add(config, attachmentOf(id))));
    for (const one of all) {
      if (one.status === 'rejected') failures.push(`${what}: ${one.reason}`);
      else addresses.push(...one.value.ips.map(({ address }) => address));
    }
  });
  if (new Set(addresses).size !== addresses.length) failures.push(`${what}: an address was given twice`);
  const dels = ids.map(id => runtime.del({ network: name, containerId: id, ifName: 'eth0' }, { netns: netnsOf(id) }));
  for (const one of await Promise.allSettled(dels))
    if (one.status === 'rejected') failures.push(`${what}: ${one.reason}`);
  return took;
}
