/** From a raw document to a valid resource: envelope, scope, schema, hooks (spec.md §3). */
import * as v from 'valibot';
import { KukeError } from './errors.ts';
import type { FieldIssue } from './extensible.ts';
import type { Hooks } from './hooks.ts';
import { type KindDefinition, type KindRegistry, type Resource, scopeField } from './kinds.ts';
import { NAME_SHAPE, nameFault } from './names.ts';
import { API_VERSION, type Manifest, type ResourceRef } from './resource.ts';
import { faultsOf } from './schema.ts';

const labels = v.record(v.string(), v.string());

/** Of every kind. */
export const envelope = v.strictObject({
  apiVersion: v.pipe(v.literal(API_VERSION), v.description('version of the format that the manifest is written in')),
  kind: v.pipe(
    v.string(),
    v.metadata({ kuke: { change: 'immutable' } }),
    v.description('kind of resource that the manifest describes'),
  ),
  metadata: v.pipe(
    v.strictObject({
      name: v.pipe(
        v.string(),
        v.metadata({ kuke: { change: 'immutable', pattern: NAME_SHAPE } }),
        v.description(
          'names it among its siblings, in letters and digits with single hyphens between them, at most 63',
        ),
      ),
      labels: v.exactOptional(
        v.pipe(labels, v.description('words by which resources are picked: `kuke get cells -l app=blog`')),
      ),
      annotations: v.exactOptional(v.pipe(labels, v.description('are kept and shown, and kuke makes nothing of them'))),
    }),
    v.description('says what the resource is called, and what else is known of it'),
  ),
  spec: v.exactOptional(v.record(v.string(), v.unknown())),
  status: v.exactOptional(
    v.pipe(v.unknown(), v.description('is what the host says of it; what a manifest says here is ignored')),
  ),
});

export interface ManifestContext {
  kinds: KindRegistry;
  hooks: Hooks;
}

/** Of one manifest: a hundred times what a large cell says. Checking takes its time for each, and kukeond has other things to do. */
export const MOST_VALUES = 10_000;
/** At once: more than any host has cells. */
const MOST_MANIFESTS = 2000;
/** Of faults that are told at once. */
const MOST_FAULTS = 100;

/** Throws TooLarge. */
export function refuseMany(count: number): void {
  if (count > MOST_MANIFESTS)
    throw new KukeError('TooLarge', `${count} manifests: at once there are ${MOST_MANIFESTS} at most`);
}

/** Validates what a user gave. Throws InvalidManifest or Unsupported with its faults, each with the path of its field. */
export async function readManifest(context: ManifestContext, raw: unknown): Promise<Resource> {
  const kind = kindOf(context.kinds, raw);
  refuseVast(raw);
  context.kinds.lifecycle(kind.kind); // a Container is not applied by itself
  refuse(faultsOf(envelope, raw, []));
  const { status: _, ...given } = v.parse(envelope, raw);
  const manifest: Manifest = { ...given, spec: { ...given.spec } };
  await context.hooks.call('manifest:default', { manifest });
  const issues = [...nameIssues(context.kinds, kind, manifest), ...faultsOf(kind.spec, manifest.spec, ['spec'])];
  refuse(issues);
  const resource = toResource(context.kinds, manifest);
  issues.push(...(kind.validate?.(resource.spec, manifest) ?? []));
  await context.hooks.call('manifest:validate', { manifest, issues });
  refuse(issues);
  return resource;
}

/** A manifest that is known to be valid, e.g. from the store, as a resource. Throws if it is not. */
export function toResource(kinds: KindRegistry, manifest: Manifest): Resource {
  const kind = kinds.get(manifest.kind);
  const ref = refOf(kinds, kind, manifest);
  const spec = v.parse(kind.spec, manifest.spec);
  return { ref, manifest, spec: kind.effective?.(spec, ref) ?? spec };
}

/** Where the manifest says that it belongs; what it leaves out is the parents' default name. */
export function refOf(kinds: KindRegistry, kind: KindDefinition, manifest: Manifest): ResourceRef {
  const parents = kinds.above(kind.kind).map(parent => {
    const named = manifest.spec[scopeField(parent.kind)];
    return typeof named === 'string' ? named : (parent.defaultName ?? 'default');
  });
  return { kind: kind.kind, path: [...parents, manifest.metadata.name] };
}

function kindOf(kinds: KindRegistry, raw: unknown): KindDefinition {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new KukeError('InvalidManifest', 'a manifest is a map with apiVersion, kind, metadata and spec');
  }
  const kind: unknown = Reflect.get(raw, 'kind');
  if (typeof kind !== 'string') throw new KukeError('InvalidManifest', 'kind: is missing', { field: 'kind' });
  return kinds.get(kind);
}

function nameIssues(kinds: KindRegistry, kind: KindDefinition, manifest: Manifest): FieldIssue[] {
  const { name } = manifest.metadata;
  const issues: FieldIssue[] = [];
  const check = (path: string, value: unknown): void => {
    const fault = typeof value === 'string' ? nameFault(value) : undefined;
    if (fault !== undefined) issues.push({ path, message: `\`${String(value).slice(0, 80)}\` ${fault}` });
  };
  check('metadata.name', name);
  for (const parent of kinds.above(kind.kind))
    check(`spec.${scopeField(parent.kind)}`, manifest.spec[scopeField(parent.kind)]);
  const { id } = manifest.spec;
  if (typeof id === 'string' && id !== name)
    issues.push({ path: 'spec.id', message: `\`${id}\` must equal metadata.name, \`${name}\`` });
  return issues;
}

/** Maps, lists and all that is in them, without what `status` says. */
function refuseVast(raw: unknown): void {
  const left: unknown[] = [{ ...(raw as object), status: undefined }];
  for (let count = 0; left.length > 0; ) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    const inside: unknown[] = Object.values(value);
    count += inside.length;
    if (count > MOST_VALUES)
      throw new KukeError('InvalidManifest', `a manifest has at most ${MOST_VALUES} values`, {
        remedy: 'divide it into several manifests',
      });
    for (const one of inside) left.push(one);
  }
}

function refuse(issues: FieldIssue[]): void {
  if (issues.length === 0) return;
  const code = issues.every(issue => issue.code === 'Unsupported') ? 'Unsupported' : 'InvalidManifest';
  const [first, ...others] = issues.slice(0, MOST_FAULTS).map(issue => {
    return new KukeError(code, `${issue.path}: ${issue.message}`, { field: issue.path });
  });
  if (first !== undefined) throw first.with(others);
}
