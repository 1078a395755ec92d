/**
 * A plugin from disk that sends a signal, SIGKILL to kuke itself where nothing else is said, at one of the moments before and after the
 * steps of kuke's plans:
 *
 *     installKiller();
 *     await run(['apply', '-f', 'cell.yaml'], { env: at(3) });                                // dies at the third moment
 *     await run(['stop', 'cell', 'web'], { env: at('before network.close', 'SIGSTOP') });
 *     await run(['apply', '-f', 'cell.yaml'], { env: { ...at('undo 2'), ...failing('runtime.start') } });  // dies while undoing
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { footprint } from '../kuke/footprint.ts';
import type { Inventory } from '../observe/inventory.ts';

const FOLDER = '/opt/plugins';

const source = `import { definePlugin } from 'kuke/plugin';
const { SIGNAL_AT, SIGNAL = 'SIGKILL', SIGNAL_TO = String(process.pid), SIGNAL_LATER, FAIL_AT } = process.env;
const send = () => process.kill(Number(SIGNAL_TO), SIGNAL);
let count = 0;
let undone = 0;
const moment = (name, number = String(++count)) => {
  if (SIGNAL_AT !== number && SIGNAL_AT !== name) return;
  if (SIGNAL_LATER === undefined) send();
  else setTimeout(send, Number(SIGNAL_LATER));
};
export default definePlugin({
  name: 'killer',
  version: '1.0.0',
  setup(kernel) {
    kernel.hook('step:before', ({ type }) => {
      if (FAIL_AT === type) throw new Error('refused by the killer');
      moment('before ' + type);
    });
    kernel.hook('step:after', ({ type }) => moment('after ' + type));
    for (const name of ['undo:before', 'undo:after']) kernel.hook(name, () => moment(name, 'undo ' + ++undone));
  },
});
`;

/** Outside of the run path, so that it is there before init and after uninstall. */
export function installKiller(): void {
  mkdirSync(`${FOLDER}/killer`, { recursive: true });
  writeFileSync(`${FOLDER}/killer/package.json`, JSON.stringify({ name: 'killer', main: 'index.ts', kuke: {} }));
  writeFileSync(`${FOLDER}/killer/index.ts`, source);
  mkdirSync('/etc/kukeon', { recursive: true });
  writeFileSync('/etc/kukeon/kuke.yaml', `pluginsPath: ${FOLDER}\n`);
}

/** So many milliseconds after the moment that `at` says: in the middle of a step, where it takes longer. */
export const later = (milliseconds: number): Record<string, string> => ({ SIGNAL_LATER: String(milliseconds) });

/** The first step of that type is refused, so that the plan is undone. */
export const failing = (type: string): Record<string, string> => ({ FAIL_AT: type });

/**
 * @param moment the how-manieth one, from 1, or `before TYPE`, `after TYPE` of a step, or `undo N` before or after what is undone.
 * @param to kuke itself where not given.
 */
export function at(moment: number | string, signal: NodeJS.Signals = 'SIGKILL', to?: number): Record<string, string> {
  return { SIGNAL_AT: String(moment), SIGNAL: signal, ...(to !== undefined && { SIGNAL_TO: String(to) }) };
}

/**
 * The footprint, without what is new in every run (ids, addresses, names of veths), and without the processes of containers, which come
 * up in their own time.
 */
export async function comparable(): Promise<Inventory> {
  const lines = await footprint();
  return lines
    .filter(line => !line.startsWith('process ') || line.includes('containerd'))
    .map(line =>
      line
        .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'INSTANCE')
        .replace(/\bkuke-[0-9a-f]{12}\b/g, 'kuke-CELL')
        .replace(/\b[0-9a-f]{12}-[0-9a-f]{8}-eth/g, 'ATTACHMENT-eth')
        .replace(/\b10\.8[89]\.\d+\.\d+\b/g, 'ADDRESS')
        .replace(/\bveth([0-9a-f]{8}|[0-9a-f]{11})\b/g, 'VETH')
        .replace(/\b[0-9a-f]{12}-[0-9a-f]{8}\/eth/g, 'ATTACHMENT/eth')
        .replace(/(\/\.by-id\/)[0-9a-f]{32}\b/, '$1ID')
        .replace(/\bCNI-[0-9a-f]{24}\b/g, 'CNI-CHAIN')
        .replace(/(\/run\/containerd\/s\/)[0-9a-f]{64}/, '$1SHIM'),
    )
    .sort();
}
