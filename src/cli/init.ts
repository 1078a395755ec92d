import { init } from '../kernel/host.ts';
import { readManifest } from '../kernel/manifest.ts';
import { readReserve } from '../kernel/reserve.ts';
import { reserveText } from '../kernel/reserve-status.ts';
import { API_VERSION } from '../kernel/resource.ts';
import { command } from './command.ts';
import { setUpDaemon } from './daemon/set-up.ts';
import { reserveArgs, reserveOf } from './limits/reserve-flags.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printPlanned } from './output/plan.ts';
import { print } from './output/standard-output.ts';
import { planArgs } from './plan-flags.ts';
import { checked } from './scope.ts';
import { unlessStored } from './stored.ts';

export default command({
  summary: 'make this host ready: containerd, a first realm, a space with its network, a stack, and kukeond',
  examples: [
    ['init', 'realm main with space and stack default'],
    ['init --realm lab --space dmz', 'other names'],
    ['init --reserve-memory 10% --reserve-cpu 0.5', 'all that kuke runs leaves so much of the host free, together'],
    ['init --no-daemon', 'without kukeond, as a unit or a process: nothing looks after cells between commands'],
    ['init --force-regenerate-cni', 'rewrite every space’s conflist, e.g. when a bridge name is too long'],
  ],
  args: {
    realm: { type: 'string', valueHint: 'NAME', description: 'first realm (main)' },
    space: { type: 'string', valueHint: 'NAME', description: 'first space (default)' },
    ...reserveArgs,
    'force-regenerate-cni': { type: 'boolean', description: 'rewrite every space’s conflist in the current scheme' },
    ...planArgs,
  },
  async run(invocation) {
    const { scope } = invocation.globals;
    const { realm = scope.realm ?? 'main', space = scope.space ?? 'default' } = invocation.args;
    const reserve = reserveOf(invocation.args);
    requireRoot(invocation);
    const kernel = await openKernel(invocation);
    checked('--realm', realm);
    checked('--space', space);
    const manifests = [
      { kind: 'Realm', name: realm, spec: {} },
      { kind: 'Space', name: space, spec: { realmId: realm } },
      { kind: 'Stack', name: 'default', spec: { realmId: realm, spaceId: space } },
    ];
    const resources = await Promise.all(
      manifests.map(({ kind, name, spec }) =>
        readManifest(kernel, { apiVersion: API_VERSION, kind, metadata: { name }, spec }),
      ),
    );
    const outcomes = await withEngine(invocation, options =>
      init(kernel, openJournal(invocation), unlessStored(...resources), invocation.args, options, reserve),
    );
    const status = await printPlanned(invocation, kernel, outcomes);
    if (reserve !== undefined && kernel.dryRun === undefined) {
      const kept = reserveText(await readReserve(kernel.use));
      print(kept === undefined ? 'nothing of the host is reserved' : `reserved for the host: ${kept}`);
    }
    if (status === 0 && !invocation.globals.noDaemon) await setUpDaemon(invocation);
    return status;
  },
});
