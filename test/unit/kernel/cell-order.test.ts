/** In which order the containers of a cell, and cells of a stack, come and go. */
import { beforeEach, describe, expect, test } from 'bun:test';
import type { KukeError } from '../../../src/kernel/errors.ts';
import { makeObserveContext, readTree } from '../../../src/kernel/observe.ts';
import { planResource } from '../../../src/kernel/plan-resource.ts';
import { addImage } from '../../fakes/index.ts';
import { cellRef, cellYaml, kernelOnFakes, type TestKernel } from './kernel-on-fakes.ts';

let kuke: TestKernel;

beforeEach(async () => {
  kuke = await kernelOnFakes();
  await kuke.init();
  const namespace = kuke.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
});

const cell = (name: string, fields: string): string => `
apiVersion: v1beta1
kind: Cell
metadata: { name: ${name} }
spec: { ${fields} }
`;
const sh = (id: string, script: string, more = ''): string =>
  `{ id: ${id}, image: busybox, command: [sh, -c, '${script}']${more} }`;
const MAIN = '{ id: main, image: busybox, root: true }';

/** Types of steps with the container that they are about, each after those it waits for. */
async function stepsOf(yaml: string, verb: 'apply' | 'stop' = 'apply'): Promise<string[]> {
  const [desired] = await kuke.read(yaml);
  if (desired === undefined) throw new Error('no manifest');
  const tree = await readTree(kuke.kernel);
  const options = { verb, stopTimeoutMs: undefined };
  const { plan } = await planResource(kuke.kernel, tree, desired, options, makeObserveContext(tree));
  const named = plan.steps.map(({ type, params }) => {
    const { id = '', container = id } = params as { id?: string; container?: string };
    return `${type} ${container.split('_').at(-1)}`;
  });
  // In an order in which they can run.
  const after = new Map(plan.steps.map((step, index) => [step.id, { name: named[index] ?? '', needs: step.after }]));
  const done: string[] = [];
  const visit = (id: string): void => {
    const one = after.get(id);
    if (one === undefined) return;
    after.delete(id);
    for (const need of one.needs) visit(need);
    done.push(one.name);
  };
  for (const { id } of plan.steps) visit(id);
  return done;
}

const only = (steps: string[], ...types: string[]) => steps.filter(step => types.includes(step.split(' ')[0] ?? ''));

const failures = (outcomes: { error?: KukeError }[]) => outcomes.map(({ error }) => error?.message);

describe('containers', () => {
  const chain = `containers: [${MAIN}, { id: c, image: busybox, dependsOn: [b] }, { id: b, image: busybox, dependsOn: [{ id: a, condition: healthy }] }, { id: a, image: busybox, healthcheck: { tcp: { port: 80 } } }]`;

  test('are started after those they depend on', async () => {
    expect(only(await stepsOf(cell('web', chain)), 'runtime.start', 'cell.await')).toEqual([
      'runtime.start root',
      'runtime.start a',
      'cell.await a',
      'runtime.start b',
      'runtime.start c',
    ]);
  });

  test('are stopped before them, and the root last', async () => {
    expect(failures(await kuke.apply(cell('web', chain)))).toEqual([undefined]);
    const steps = await stepsOf(cell('web', `desiredState: stopped, ${chain}`), 'stop');
    expect(only(steps, 'runtime.stop')).toEqual([
      'runtime.stop c',
      'runtime.stop b',
      'runtime.stop a',
      'runtime.stop root',
    ]);
  });

  test('are stopped with a signal and in a time of their own', async () => {
    const fields = `containers: [{ id: main, image: busybox, stopSignal: SIGQUIT, terminationGracePeriodSeconds: 3 }]`;
    await kuke.apply(cell('web', fields));
    const [desired] = await kuke.read(cell('web', `desiredState: stopped, ${fields}`));
    const tree = await readTree(kuke.kernel);
    if (desired === undefined) throw new Error('no manifest');
    const stop = async (verb: 'stop' | 'kill', stopTimeoutMs: number | undefined) => {
      const { plan } = await planResource(kuke.kernel, tree, desired, { verb, stopTimeoutMs });
      return plan.steps.find(({ type }) => type === 'runtime.stop')?.params;
    };
    expect(await stop('stop', undefined)).toMatchObject({ signal: 'SIGQUIT', timeoutMs: 3000 });
    expect(await stop('stop', 500)).toMatchObject({ timeoutMs: 500 });
    expect(await stop('kill', undefined)).toMatchObject({ timeoutMs: 0 });
  });

  test.each([
    [
      'a circle',
      `[${MAIN}, { id: a, image: x, dependsOn: [b] }, { id: b, image: x, dependsOn: [a] }]`,
      'spec.containers: they wait for one another: a → b → a',
    ],
    [
      'nobody',
      `[${MAIN}, { id: a, image: x, dependsOn: [man] }]`,
      'spec.containers[1].dependsOn: there is no container `man`; did you mean `main`?',
    ],
    [
      'what has no health check',
      `[${MAIN}, { id: a, image: x, dependsOn: [{ id: main, condition: healthy }] }]`,
      '`main` has no healthcheck',
    ],
    [
      'the end of what never ends',
      `[${MAIN}, { id: a, image: x, restartPolicy: always }, { id: b, image: x, dependsOn: [{ id: a, condition: completed }] }]`,
      '`a` is not to end',
    ],
    [
      'others, as the root',
      '[{ id: main, image: x, dependsOn: [a] }, { id: a, image: x }]',
      'the root is started first',
    ],
  ])('that wait for %s are refused', async (_, containers, says) => {
    expect(await kuke.read(cellYaml('web', containers)).catch(error => error.message)).toContain(says);
  });
});

describe('init containers', () => {
  test('run one after another, each to its end, before the root', async () => {
    const fields = `initContainers: [${sh('one', 'exit 0')}, ${sh('two', 'exit 0')}], containers: [${MAIN}]`;
    expect(only(await stepsOf(cell('web', fields)), 'runtime.start', 'cell.await')).toEqual([
      'runtime.start one',
      'cell.await one',
      'runtime.start two',
      'cell.await two',
      'runtime.start root',
    ]);
    expect(failures(await kuke.apply(cell('web', fields)))).toEqual([undefined]);
    const { manifest } = await kuke.get('Cell', 'main', 'default', 'default', 'web');
    expect(manifest.status).toMatchObject({
      state: 'Ready',
      initContainers: [
        { id: 'one', state: 'Exited', exitCode: 0 },
        { id: 'two', state: 'Exited', exitCode: 0 },
      ],
    });
    expect((await kuke.apply(cell('web', fields))).map(({ result }) => result)).toEqual(['unchanged']);
  });

  test('that fail keep the cell from starting, and leave nothing of it', async () => {
    const before = kuke.host.inventory();
    const fields = `initContainers: [${sh('one', 'exit 3')}, ${sh('two', 'exit 0')}], containers: [${MAIN}]`;
    expect(failures(await kuke.apply(cell('web', fields)))).toEqual(['`one` ended with exit code 3']);
    expect(kuke.host.inventory().map(line => line.replace(/ with bridge$/, ''))).toEqual(before);
  });

  test('run again when the cell is started again, and go with it', async () => {
    const fields = `initContainers: [${sh('one', 'exit 0')}], containers: [${MAIN}]`;
    await kuke.apply(cell('web', fields));
    const change = (desiredState: string) => (spec: Record<string, unknown>) => ({ ...spec, desiredState });
    await kuke.change(cellRef('web'), change('stopped'), { verb: 'stop', stopTimeoutMs: undefined });
    const steps = await stepsOf(cell('web', `desiredState: running, ${fields}`));
    expect(only(steps, 'runtime.remove', 'runtime.start', 'cell.await')).toEqual([
      'runtime.remove one',
      'runtime.start one',
      'cell.await one',
      'runtime.start root',
    ]);
    const restarted = await kuke.change(cellRef('web'), change('running'), { verb: 'start', stopTimeoutMs: undefined });
    expect(failures(restarted)).toEqual([undefined]);
    expect((await kuke.remove([cellRef('web')])).map(({ result }) => result)).toEqual(['deleted']);
    expect(kuke.host.inventory().filter(line => line.includes('web'))).toEqual([]);
  });

  test.each(['root: true', 'ports: ["80:80"]', 'restartPolicy: always', 'dependsOn: [main]'])(
    'have no %s',
    async field => {
      const yaml = cell('web', `initContainers: [{ id: one, image: x, ${field} }], containers: [${MAIN}]`);
      const said = await kuke.read(yaml).catch(error => error.message);
      expect(said).toContain(
        `spec.initContainers[0].${field.split(':')[0]}: is nothing for a container that runs once`,
      );
    },
  );
});

describe('cells', () => {
  const after = (name: string, ...others: string[]) => cell(name, `dependsOn: [${others}], containers: [${MAIN}]`);

  test('are applied after those they depend on, in whatever order they stand', async () => {
    const outcomes = await kuke.apply([after('c', 'b'), after('b', 'a'), cellYaml('a')].join('---'));
    expect(failures(outcomes)).toEqual([undefined, undefined, undefined]);
    const started = [...(kuke.host.runtime.namespaces.get('kukeon-main')?.containers.values() ?? [])];
    const pids = new Map(started.map(({ config, task }) => [config.hostname, task?.pid ?? 0]));
    const order = [...pids].sort(([, x], [, y]) => x - y).map(([name]) => name);
    expect(order).toEqual(['a', 'b', 'c']);
  });

  test('in a circle are refused, and it is named', async () => {
    await kuke.apply(cellYaml('a'));
    const message = await kuke
      .apply([after('a', 'c'), after('b', 'a'), after('c', 'b')].join('---'))
      .catch(error => error);
    expect(message).toMatchObject({ code: 'InvalidManifest', exitCode: 2 });
    expect(message.message).toMatch(/they wait for one another: (a → c → b → a|b → a → c → b|c → b → a → c)/);
  });

  test('that depend on what is not there, or does not run, are refused, and say whom to start', async () => {
    expect(failures(await kuke.apply(after('b', 'a')))).toEqual([
      'it depends on cell main/default/default/a, which is not there',
    ]);
    await kuke.apply(cellYaml('a'));
    await kuke.change(cellRef('a'), spec => ({ ...spec, desiredState: 'stopped' }), {
      verb: 'stop',
      stopTimeoutMs: undefined,
    });
    const [outcome] = await kuke.apply(after('b', 'a'));
    expect(outcome?.error?.message).toBe('it depends on cell main/default/default/a, which does not run');
    expect(outcome?.error?.remedy).toContain('kuke start cell a');
  });

  test('that depend on what has ended by itself are started: it was started, and where that is asked for it has ended with 0', async () => {
    await kuke.apply(cellYaml('a'));
    kuke.host.exit('kukeon-main', 'default_default_a_root', 0);
    expect(failures(await kuke.apply(after('b', 'a')))).toEqual([undefined]);
    kuke.host.exit('kukeon-main', 'default_default_b_root', 7);
    expect(failures(await kuke.apply(after('c', 'b')))).toEqual([undefined]);
  });
});
