import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import { apply, type Outcome } from '../kernel/apply.ts';
import { formatDocument } from '../kernel/documents.ts';
import { asKukeError } from '../kernel/errors.ts';
import { readTree } from '../kernel/observe.ts';
import { describe, type Manifest, type ResourceRef } from '../kernel/resource.ts';
import type { ResourceTree } from '../kernel/tree.ts';
import { command, type Invocation } from './command.ts';
import { filenameArg, readResources } from './manifest-files.ts';
import { openJournal, openKernel, withEngine } from './open-kernel.ts';
import { colourDiff } from './output/diff.ts';
import { printFailure } from './output/failure.ts';
import { exitCodeOf } from './output/outcomes.ts';
import { print } from './output/standard-output.ts';
import { textOutputArg } from './output-arg.ts';

export default command({
  summary:
    'show what `kuke apply` would change; the exit code is 0 for nothing, 1 for something, and more for an error',
  examples: [
    ['diff -f cell.yaml', 'as a unified diff of manifests, and what of the host would be put right'],
    ['diff -f space.yaml -f cell.yaml', 'several files'],
    ['diff -f cell.yaml -o json', 'field by field, for scripts'],
  ],
  args: {
    ...filenameArg,
    ...textOutputArg,
  },
  repeatable: ['filename'],
  async run(invocation) {
    try {
      return await difference(invocation);
    } catch (thrown) {
      const error = asKukeError(thrown, 'Internal');
      if (error.exitCode !== 1) throw error;
      printFailure(error);
      return FAILED;
    }
  },
});

/** In place of 1, which says that there is a difference. */
const FAILED = 2;

async function difference(
  invocation: Pick<Invocation, 'globals' | 'line' | 'lists' | 'program' | 'signal'> & { args: { output: string } },
): Promise<number> {
  // Nothing is to be done, so it is planned as by a dry run.
  const planning = { ...invocation, args: { 'dry-run': true } };
  const kernel = await openKernel(planning);
  const resources = await readResources(kernel, invocation.lists.filename ?? [], invocation.signal);
  await kernel.instance();
  const before = await readTree(kernel);
  const outcomes = await withEngine(planning, options => apply(kernel, openJournal(planning), resources, options));
  const after = await readTree(kernel);
  if (invocation.args.output === 'json') print(JSON.stringify(outcomes.map(jsonOf), null, 2));
  else for (const outcome of outcomes) printDifference(outcome, before, after);
  for (const { error } of outcomes) if (error !== undefined) printFailure(error);
  return Math.max(errorCode(outcomes), outcomes.every(({ result }) => result === 'unchanged') ? 0 : 1);
}

function errorCode(outcomes: Outcome[]): number {
  const code = exitCodeOf(outcomes);
  return code === 1 ? FAILED : code;
}

function printDifference({ ref, steps }: Outcome, before: ResourceTree, after: ResourceTree): void {
  const [from, to] = [textOf(before, ref), textOf(after, ref)];
  const name = describe(ref);
  // A new one is compared with nothing, as diff and git do it.
  const [old, next] = [from === '' ? '/dev/null' : name, to === '' ? '/dev/null' : name];
  const options = { headerOptions: FILE_HEADERS_ONLY };
  if (from !== to) print(colourDiff(createTwoFilesPatch(old, next, from, to, 'stored', 'applied', options)));
  else if (steps.length > 0) print(`${name}: what is stored is the same; put right: ${[...new Set(steps)].join(', ')}`);
}

/** Without status. */
function textOf(tree: ResourceTree, ref: ResourceRef): string {
  const found = tree.find(ref)?.manifest;
  if (found === undefined) return '';
  const { status: _, ...manifest }: Manifest = found;
  return `${formatDocument(manifest)}\n`;
}

function jsonOf({ ref, result, changes, steps, notes, error }: Outcome) {
  const shown = changes.map(({ path, from, to, change }) => ({ path, from, to, change }));
  return { resource: describe(ref), result, changes: shown, steps, notes, ...(error && { error: error.summary }) };
}
