/** The supervisor alone in a process of its own, on this host: a line of JSON an event; `ready` when it watches. Ends on SIGTERM. */
import { join } from 'node:path';
import { builtins } from '../../../src/builtins.ts';
import { startSupervisor } from '../../../src/daemon/supervisor/index.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { loadKernel } from '../../../src/kernel/registry.ts';

const runPath = '/opt/kukeon';
const over = new AbortController();
process.on('SIGTERM', () => over.abort());
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const { ended } = await startSupervisor({
  openKernel: () =>
    loadKernel({
      settings: { runPath, containerdSocket: '/run/containerd/containerd.sock' },
      pluginConfig: {},
      sources: builtins,
      timeLimitMs: 10_000,
      warn: message => say({ what: 'warning', message }),
    }),
  journal: makeJournal(join(runPath, '.kuke/journal')),
  engine: { lockTimeoutMs: 60_000, progress: () => {}, notice: message => say({ what: 'notice', message }) },
  signal: over.signal,
  onChange: event => say({ ...event, at: Date.now() }),
});
say({ what: 'ready' });
await ended;
process.exit(0);
