/** TCP between two cells of a space, over a bridge of the reference plugin's and over one of kuke's, in turn: the same ends, in Bun. */
import { join } from 'node:path';
import { addNamespaces, attachmentOf, network, runtimes } from './lab.ts';
import { inTurn, roundsOr, type Table } from './table.ts';

const ROUNDS = roundsOr(15);
const MEBIBYTES = 512;
const TRIPS = 4000;
const PORT = '7';

export async function bench(): Promise<Table> {
  const { reference, inProcess } = runtimes();
  await using ref = await pair('ref', reference.add, 0);
  await using own = await pair('kuke', inProcess.add, 1);
  const bulk = await inTurn(ROUNDS, {
    reference: () => ref.run('send', MEBIBYTES),
    kuke: () => own.run('send', MEBIBYTES),
  });
  const trips = await inTurn(ROUNDS, { reference: () => ref.run('ask', TRIPS), kuke: () => own.run('ask', TRIPS) });
  const refBulk = `${MEBIBYTES} MiB, reference bridge (ms)`;
  const refTrips = 'a round trip, reference bridge (µs)';
  const micro = (samples: readonly number[] = []) => samples.map(ms => (ms * 1000) / TRIPS);
  return {
    title: 'TCP between two cells',
    unit: 'time',
    rows: [
      { what: refBulk, samples: bulk.reference ?? [] },
      { what: `${MEBIBYTES} MiB, kuke (ms)`, samples: bulk.kuke ?? [], against: [{ what: refBulk, most: 1.05 }] },
      { what: refTrips, samples: micro(trips.reference) },
      { what: 'a round trip, kuke (µs)', samples: micro(trips.kuke), against: [{ what: refTrips, most: 1.05 }] },
    ],
  };
}

type Add = ReturnType<typeof runtimes>['inProcess']['add'];

async function pair(name: string, add: Add, index: number) {
  const [server, client] = [`${name}-server`, `${name}-client`];
  addNamespaces(server, client);
  const config = network(name, index);
  const { ips } = await add(config, attachmentOf(server));
  await add(config, attachmentOf(client));
  const address = ips[0]?.address.split('/')[0] ?? '';
  const serving = end(server, 'serve', address);
  for await (const _ of serving.stdout) break;
  return {
    /** Milliseconds. */
    async run(what: 'send' | 'ask', count: number): Promise<number> {
      const program = end(client, what, address, String(count));
      const text = await program.stdout.text();
      if ((await program.exited) !== 0) throw new Error(`${what} to ${address}: ${text}`);
      return Number(text);
    },
    async [Symbol.asyncDispose]() {
      serving.kill('SIGKILL');
      await serving.exited;
    },
  };
}

function end(netns: string, what: string, address: string, ...more: string[]) {
  const program = join(import.meta.dir, 'traffic-end.ts');
  return Bun.spawn(['ip', 'netns', 'exec', netns, process.execPath, program, what, address, PORT, ...more], {
    stdout: 'pipe',
    stderr: 'inherit',
  });
}
