/**
 * The peak of a plugin's memory (ru_maxrss, by time(1): a child of ours would begin with our own), alone on its network and beside many
 * other attachments. Most of it are pages of the program itself, which all of its processes share.
 */
import { join } from 'node:path';
import { addNamespaces, attachmentOf, kukePlugins, netnsOf, network, REFERENCE, runtimes } from './lab.ts';
import { type Row, roundsOr, type Table } from './table.ts';

const ROUNDS = roundsOr(10);
/** 40 MB. */
const MOST = 38.1;
const OTHERS = 150;

export async function bench(): Promise<Table> {
  const verbs: [plugin: string, command: string][] = [
    ['bridge', 'VERSION'],
    ['host-local', 'ADD'],
    ['host-local', 'DEL'],
    ['bridge', 'ADD'],
    ['bridge', 'DEL'],
  ];
  const samples = new Map<string, number[]>();
  const put = (what: string, peak: number) => samples.set(what, [...(samples.get(what) ?? []), peak]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [who, folder] of [
      ['reference', REFERENCE],
      ['kuke', kukePlugins()],
    ] as const) {
      const id = `${who}${round}`;
      addNamespaces(id);
      for (const [plugin, command] of verbs) {
        put(`${who}: ${plugin} ${command}`, await peak(folder, plugin, command, id, who));
      }
    }
  }
  const others = await fill();
  const valid = { 'cni.dev/valid-attachments': others.map(containerID => ({ containerID, ifname: 'eth0' })) };
  for (let round = 0; round < ROUNDS; round++) {
    const id = `beside${round}`;
    addNamespaces(id);
    for (const command of ['ADD', 'DEL', 'GC']) {
      const more = command === 'GC' ? { cniVersion: '1.1.0', ...valid } : {};
      const size = await peak(kukePlugins(), 'bridge', command, id, 'kuke', more);
      put(`kuke: bridge ${command} beside ${OTHERS}`, size);
    }
  }
  const rows: Row[] = [...samples].map(([what, list]) => ({
    what,
    samples: list,
    ...(what.startsWith('kuke') && { most: MOST }),
  }));
  return { title: 'Peak memory of a process run as plugin', unit: 'MiB', rows };
}

async function fill(): Promise<string[]> {
  const ids = Array.from({ length: OTHERS }, (_, index) => `other${index}`);
  addNamespaces(...ids);
  const { inProcess } = runtimes();
  for (const id of ids) await inProcess.add(network('kuke', 0), attachmentOf(id));
  return ids;
}

async function peak(
  folder: string,
  plugin: string,
  command: string,
  id: string,
  who: string,
  more: object = {},
): Promise<number> {
  const { json } = network(who, who === 'kuke' ? 0 : 1);
  const [config] = Array.isArray(json.plugins) ? json.plugins : [];
  const program = Bun.spawn(['/usr/bin/time', '-f', '%M', join(folder, plugin)], {
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: netnsOf(id),
      CNI_IFNAME: 'eth0',
      CNI_PATH: folder,
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    },
    stdin: Buffer.from(JSON.stringify({ cniVersion: '1.0.0', name: who, ...config, ...more })),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [text, kibibytes] = await Promise.all([program.stdout.text(), program.stderr.text()]);
  if ((await program.exited) !== 0) throw new Error(`${plugin} ${command}: ${text}${kibibytes}`);
  return Number(kibibytes) / 1024;
}
