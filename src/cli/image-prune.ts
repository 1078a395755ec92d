import { KukeError } from '../kernel/errors.ts';
import { embedded } from '../kernel/observe.ts';
import { command } from './command.ts';
import { openImages, printDone, realmArg } from './images.ts';
import { bytes } from './output/bytes.ts';
import { confirm } from './output/confirm.ts';
import { makeScript } from './output/explain.ts';
import { print } from './output/standard-output.ts';
import { planArgs, planFlags } from './plan-flags.ts';

export default command({
  summary: 'remove the images of a realm that nobody uses: no container, and no cell’s manifest',
  examples: [
    ['image prune', 'those that have no name: what a newer image has taken theirs'],
    ['image prune --all', 'all that nobody uses; asks first'],
    ['image prune --all --dry-run', 'what that would be'],
    ['image prune --all --yes --realm lab', 'for scripts'],
  ],
  args: {
    all: { type: 'boolean', alias: 'a', description: 'also those that have a name' },
    yes: { type: 'boolean', alias: 'y', description: 'do not ask' },
    ...realmArg,
    ...planArgs,
  },
  async run(invocation) {
    const { all = false, yes = false } = invocation.args;
    const { kernel, images, namespace, realm, tree } = await openImages(invocation, ['kind:Cell']);
    const cells = tree.descendants(realm).filter(({ ref }) => ref.kind === 'Cell');
    const containers = embedded(kernel, 'Container', cells);
    const keep = containers.flatMap(({ spec: { image } }) => (typeof image === 'string' ? [image] : []));
    const request = { namespace, all, keep };
    const { isDryRun } = planFlags(invocation.args);
    const script = makeScript(kernel, invocation);
    const { names: unused } = await images.prune({ ...request, dryRun: true });
    if (all && !yes && !isDryRun) {
      if (unused.length > 0 && !(await confirm(`Remove ${unused.join(', ')}?`, invocation.signal)))
        throw new KukeError('Cancelled', 'nothing was removed', { remedy: 'answer yes, or say --yes' });
    }
    if (unused.length > 0) await script.add(images.explainChange('remove', { namespace, names: unused }));
    const { names, bytes: freed } = await images.prune({ ...request, dryRun: isDryRun });
    for (const name of names) printDone(`removed ${name}`, invocation.args);
    script.end(true);
    if (!isDryRun) print(`freed ${bytes(freed)}`);
    return 0;
  },
});
