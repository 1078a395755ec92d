/** host-local beside the reference plugin, on one folder: either goes on where the other stopped. */
import '../box.ts';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type AnyCall, dataDir } from '../../unit/cni/plugins/host-local/call.ts';
import { someSets, someSteps } from '../../unit/cni/plugins/host-local/model.ts';
import { runSteps } from '../../unit/cni/plugins/host-local/run.ts';

/** The addresses of an ADD; undefined for an error. */
function reference(verb: string, { config, runtimeConfig, containerId, ifName }: AnyCall): string[] | undefined {
  const { exitCode, stdout } = Bun.spawnSync(['/usr/lib/cni/host-local'], {
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: containerId,
      CNI_IFNAME: ifName,
      CNI_NETNS: '/run/netns/x',
      CNI_PATH: '/usr/lib/cni',
    },
    stdin: new TextEncoder().encode(JSON.stringify({ ...config, cniVersion: '1.0.0', runtimeConfig })),
  });
  if (exitCode !== 0) return undefined;
  if (verb !== 'ADD') return [];
  const { ips }: { ips: { address: string }[] } = JSON.parse(stdout.toString());
  return ips.map(({ address }) => address.slice(0, address.indexOf('/')));
}

test('any sequence of calls, some of ours and some of theirs, is as if one of them had served all', async () => {
  let theirs = 0;
  const counted = (verb: string, call: AnyCall) => {
    theirs++;
    return reference(verb, call);
  };
  await fc.assert(
    fc.asyncProperty(someSets, someSteps, async (sets, steps) => {
      using data = dataDir();
      await runSteps(data, sets, steps, counted);
    }),
    { numRuns: 60 },
  );
  expect(theirs).toBeGreaterThan(100);
}, 120_000);
