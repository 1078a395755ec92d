import { apply, type Outcome } from '../kernel/apply.ts';
import { KukeError } from '../kernel/errors.ts';
import type { ElementDefaults, KindDefinition, Resource } from '../kernel/kinds.ts';
import { readManifest } from '../kernel/manifest.ts';
import type { PlanOptions } from '../kernel/planning.ts';
import type { Kernel } from '../kernel/registry.ts';
import { describe, type Manifest, nameOf, type ResourceRef } from '../kernel/resource.ts';
import { entriesOf } from '../kernel/schema.ts';
import { notFound, type ResourceTree, refuseDamaged } from '../kernel/tree.ts';
import { command } from './command.ts';
import { changeLimits } from './limits/change.ts';
import { flagOf, type LimitChange, liftedFields, limitArgs, limitChanges, repeatableLimits } from './limits/flags.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printPlanned } from './output/plan.ts';
import { planArgs } from './plan-flags.ts';
import { kindOf, refFor, scopeArgs } from './scope.ts';
import { applyOptions, strictArg } from './strict.ts';

export default command({
  summary: 'set limits of a realm, space, stack, cell or container; what runs in it runs on',
  examples: [
    ['set resources cell web --memory 512Mi --cpu 1.5', 'what the whole cell may take'],
    ['set resources container nginx --cell web --pids 100', 'one of its containers'],
    ['set resources realm lab --memory 4Gi --memory-high 3.5Gi', 'for all that is in a realm'],
    ['set resources cell web --device /dev/vda:readBps=10Mi,writeIops=100', 'what it may read and write in a second'],
    ['set resources cell web --memory none', 'lifts one limit, also one that was written by hand; the others stay'],
  ],
  args: {
    kind: { type: 'positional', required: true, description: 'realm, space, stack, cell or container' },
    name: { type: 'positional', required: true, description: 'its name' },
    ...limitArgs,
    ...scopeArgs,
    cell: { type: 'string', valueHint: 'NAME', description: 'cell, for containers' },
    ...strictArg,
    ...planArgs,
  },
  repeatable: [...repeatableLimits],
  async run(invocation) {
    const { args, lists } = invocation;
    const changes = limitChanges(args, lists);
    if (changes.length === 0) {
      const line = `kuke set resources ${args.kind} ${args.name} --memory 512Mi --cpu 1.5`;
      throw new KukeError('Usage', 'no limit is given', { remedy: `give at least one: \`${line}\`` });
    }
    const kernel = await openKernel(invocation);
    const kind = kindOf(kernel, args.kind, args);
    if (entriesOf(kind.spec)?.resources === undefined) {
      throw new KukeError('Usage', `a ${kind.kind.toLowerCase()} has no resources`);
    }
    const ref = refFor(kernel, kind, args.name, args);
    requireRoot(invocation);
    await kernel.instance();
    const notes: string[] = [];
    const desired = async (tree: ResourceTree) => {
      notes.length = 0; // it may be asked twice
      return [await limited(kernel, tree, kind, ref, changes, message => void notes.push(message))];
    };
    const fields = liftedFields(changes);
    const lifted = fields.length > 0 && { lifted: { ref, fields } };
    const options: PlanOptions = { ...applyOptions(args), verb: 'limit', ...lifted };
    try {
      const outcomes = await withEngine(invocation, engine =>
        apply(kernel, openJournal(invocation), desired, engine, options),
      );
      const told = outcomes.map(one => withFlag({ ...one, notes: [...notesOf(one, notes), ...one.notes] }));
      return printPlanned(invocation, kernel, told);
    } catch (thrown) {
      throw thrown instanceof KukeError ? inFlags(thrown) : thrown;
    }
  },
});

/** The resource that is applied: of a container, the cell that declares it. Throws NotFound, and what `readManifest` throws. */
async function limited(
  kernel: Kernel,
  tree: ResourceTree,
  kind: KindDefinition,
  ref: ResourceRef,
  changes: LimitChange[],
  note: (message: string) => void,
): Promise<Resource> {
  const owner = kind.embedded === undefined ? ref : { kind: kind.parent ?? '', path: ref.path.slice(0, -1) };
  refuseDamaged(tree, owner, 'itself');
  const stored = tree.get(owner);
  const { manifest } = stored;
  if (kind.embedded === undefined) return readManifest(kernel, { ...manifest, spec: changed(manifest.spec, changes) });
  const defaults = kernel.kinds.get(owner.kind).elementDefaults?.(tree, stored);
  return readManifest(kernel, { ...manifest, spec: changedElement(manifest, kind, ref, changes, note, defaults) });
}

/** Those that a manifest declares stand in a list by the name of their kind: `containers`. */
function changedElement(
  { spec }: Manifest,
  kind: KindDefinition,
  ref: ResourceRef,
  changes: LimitChange[],
  note: (message: string) => void,
  defaults?: ElementDefaults,
) {
  const elements = (spec[kind.plural] ?? []) as { id: string }[];
  const isIt = ({ id }: { id: string }) => id.toLowerCase() === nameOf(ref).toLowerCase();
  if (!elements.some(isIt)) {
    throw notFound(
      describe(ref),
      nameOf(ref),
      elements.map(({ id }) => id),
    );
  }
  const given = defaults?.fields.resources;
  const made = elements.map(one => (isIt(one) ? changed(one, changes, given) : one));
  const isOwnNow = made.some((one, index) => 'resources' in one && !('resources' in Object(elements[index])));
  if (isOwnNow && given !== undefined && defaults !== undefined)
    note(
      `\`${nameOf(ref)}\` takes its limits from ${describe(defaults.from)} no more: they stand in its own manifest now`,
    );
  return { ...spec, [kind.plural]: made };
}

/** `given`: what it has where it says nothing itself. Without limits of its own it would have that again. */
function changed<T extends object>(spec: T, changes: LimitChange[], given?: unknown): T {
  const { resources: before, ...others }: T & { resources?: unknown } = spec;
  const resources = changeLimits(before ?? given, changes) ?? (given === undefined ? undefined : {});
  if (before === undefined && given !== undefined && Bun.deepEquals(resources, changeLimits(given, []) ?? {}))
    return spec;
  // In its place among the fields, where it has one.
  return resources === undefined ? (others as T) : { ...spec, resources };
}

const notesOf = ({ result }: Outcome, notes: string[]): string[] => (result === 'updated' ? notes : []);

function withFlag(outcome: Outcome): Outcome {
  return outcome.error === undefined ? outcome : { ...outcome, error: inFlags(outcome.error) };
}

/** There is no manifest to mend: what is to be given otherwise is a flag. */
function inFlags(error: KukeError): KukeError {
  const { code, message, details, also } = error;
  const flag = code === 'InvalidManifest' && details.remedy === undefined ? flagOf(details.field ?? '') : undefined;
  if (flag === undefined) return error;
  return new KukeError(code, message, { ...details, remedy: `give ${flag} another value` }, also.map(inFlags));
}
