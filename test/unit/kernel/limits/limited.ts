/** The five levels on the fakes, with limits: `apply({ kind: 'Stack', ... })`, and what their cgroups then say. */
import type { Outcome } from '../../../../src/kernel/apply.ts';
import type { LimitField, LimitValue } from '../../../../src/kernel/limits/limits.ts';
import type { LimitStatus } from '../../../../src/kernel/limits/status.ts';
import type { PlanOptions } from '../../../../src/kernel/planning.ts';
import { addImage } from '../../../fakes/index.ts';
import { kernelOnFakes, type TestKernel } from '../kernel-on-fakes.ts';

export type Fields = Record<string, unknown>;

export interface Level {
  kind: 'Realm' | 'Space' | 'Stack' | 'Cell';
  path: string[];
  /** Of its cgroup. */
  group: string;
  /** What its manifest says of where it is. */
  scope: Fields;
}

const scope = { realmId: 'main', spaceId: 'default', stackId: 'default' };

export const realm: Level = { kind: 'Realm', path: ['main'], group: '/kukeon/main', scope: {} };
export const space: Level = {
  kind: 'Space',
  path: ['main', 'default'],
  group: '/kukeon/main/default',
  scope: { realmId: 'main' },
};
export const stack: Level = {
  kind: 'Stack',
  path: ['main', 'default', 'default'],
  group: '/kukeon/main/default/default',
  scope: { realmId: 'main', spaceId: 'default' },
};

export const cell = (name = 'web'): Level => ({
  kind: 'Cell',
  path: ['main', 'default', 'default', name],
  group: `/kukeon/main/default/default/${name}`,
  scope,
});

export const web = cell();
export const levels: [string, Level][] = [realm, space, stack, web].map(level => [level.kind, level]);
export const main = (fields: Fields = {}): Fields => ({ id: 'main', image: 'busybox', root: true, ...fields });
export const side = (fields: Fields = {}): Fields => ({ id: 'side', image: 'busybox', ...fields });
export const leaf = (container = 'web_root', name = 'web') => `${cell(name).group}/${container}`;

export const MI = 2 ** 20;
export const memory = (limit: string | number) => ({ resources: { memory: { limit } } });
export const of = (...containers: Fields[]) => ({ containers });
export const defaults = (container: Fields) => ({ defaults: { container } });

export const START: PlanOptions = { verb: 'start', stopTimeoutMs: 1000 };
export const STOP: PlanOptions = { verb: 'stop', stopTimeoutMs: 1000 };
export const STRICT: PlanOptions = { verb: 'apply', stopTimeoutMs: 1000, strict: true };
export const to = (desiredState: string) => (spec: Fields) => ({ ...spec, desiredState });

export interface Limited extends TestKernel {
  /** One resource with this spec; a cell has the one container `main` where it says nothing else. */
  put(level: Level, spec?: Fields, options?: PlanOptions): Promise<Outcome>;
  /** Several at once, as in one file. */
  putAll(resources: readonly (readonly [Level, Fields])[], options?: PlanOptions): Promise<Outcome[]>;
  /** What the files of a group say. */
  values(path: string): Record<string, LimitValue> | undefined;
  /** As an administrator would with `echo`. */
  write(path: string, field: LimitField, value: LimitValue | undefined): void;
  /** What the status of the cell `web` says of one of its containers. */
  contained(id: string): Promise<Fields>;
  /** Of all containers. */
  pids(): (number | undefined)[];
  status(level: Level): Promise<Fields & { resources?: LimitStatus[]; containers: Fields[] }>;
}

/** `given`: of an earlier kuke's host. */
export async function limited(given?: TestKernel): Promise<Limited> {
  const kuke = given ?? (await kernelOnFakes());
  if (given === undefined) await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  const status: Limited['status'] = async ({ kind, path }) =>
    (await kuke.get(kind, ...path)).manifest.status as Awaited<ReturnType<Limited['status']>>;
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  return {
    ...kuke,
    async put(level, spec = {}, planOptions) {
      const [outcome] = await kuke.apply(document(level, spec), planOptions);
      if (outcome === undefined) throw new Error('no outcome');
      return outcome;
    },
    putAll: (resources, planOptions) =>
      kuke.apply(resources.map(([level, spec]) => document(level, spec)).join('\n---\n'), planOptions),
    values(path) {
      const group = kuke.host.cgroups.get(path);
      return group && Object.fromEntries(group.values ?? []);
    },
    write(path, field, value) {
      const group = kuke.host.cgroups.get(path);
      if (group === undefined) throw new Error(`no group ${path}`);
      group.values ??= new Map();
      if (value === undefined) group.values.delete(field);
      else group.values.set(field, value);
    },
    contained: async id => (await status(web)).containers.find(one => one.id === id) ?? {},
    pids: () => [...namespace.containers.values()].map(one => one.task?.pid),
    status,
  };
}

function document({ kind, path, scope: where }: Level, spec: Fields): string {
  const containers = kind === 'Cell' ? { containers: [main()] } : {};
  return JSON.stringify({
    apiVersion: 'v1beta1',
    kind,
    metadata: { name: path.at(-1) },
    spec: { ...where, ...containers, ...spec },
  });
}

/** An outcome in a line: its result, or why it failed. */
export const told = ({ result, error }: Outcome): string => (error === undefined ? result : error.summary);
