/** start, stop, kill and delete of several at once. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
  const b = cellYaml('b').replace('{ id: b,', '{ id: b, dependsOn: [a],');
  await fake.kuke('apply', '-f', fake.file('cells.yaml', [cellYaml('a'), b, cellYaml('c')].join('---')));
});
afterEach(() => fake.remove());

const AT = 'main/default/default';
const told = (done: string, ...names: string[]) => names.map(name => `cell ${AT}/${name} ${done}\n`).join('');
const states = async () => (await fake.kuke('get', 'cells', '-o', 'jsonpath={.items[*].status.state}')).stdout.trim();

describe('several names', () => {
  test('a line each, in the order in which they were given; those that are so already are unchanged', async () => {
    expect((await fake.kuke('stop', 'cell', 'c', 'a', 'a', 'b')).stdout).toBe(told('stopped', 'c', 'a', 'b'));
    expect(await states()).toBe('Stopped Stopped Stopped');
    expect((await fake.kuke('start', 'cell/c', 'cell/a')).stdout).toBe(told('started', 'c', 'a'));
    expect((await fake.kuke('start', 'cells', 'b', 'a')).stdout).toBe(told('started', 'b') + told('unchanged', 'a'));
    expect((await fake.kuke('kill', 'ce/a', 'b', 'c')).stdout).toBe(told('killed', 'a', 'b', 'c'));
    expect(await fake.kuke('delete', 'cell', 'a', 'b', 'c', '--cascade')).toMatchObject({
      status: 0,
      stdout: told('deleted', 'b', 'a', 'c'), // as it was done
    });
    expect((await fake.kuke('delete', 'stack/default', 'space/default')).stdout).toBe(
      'stack main/default/default deleted\nspace main/default deleted\n',
    );
  });

  test('what others depend on is stopped after them', async () => {
    const { stdout } = await fake.kuke('stop', 'cell', 'a', 'b', '--explain');
    const [a, b] = ['a', 'b'].map(name => stdout.indexOf(`default_default_${name}_root`));
    expect([a, b]).not.toContain(-1);
    expect(b).toBeLessThan(a ?? 0);
  });

  test.each(['start', 'stop', 'kill'])(
    '%s: with a name that is not there nothing is done, and all of them are told',
    async verb => {
      if (verb === 'start') await fake.kuke('stop', 'cell', 'c');
      const before = fake.host.inventory();
      const { status, stdout, stderr } = await fake.kuke(verb, 'cell', 'c', 'nobody', 'aa');
      expect([status, stdout]).toEqual([3, '']);
      expect(stderr).toContain(`error: cell ${AT}/nobody: not found; there: a, b, c`);
      expect(stderr).toContain(`cell ${AT}/aa: not found; did you mean \`a\`?`);
      expect(fake.host.inventory()).toEqual(before);
    },
  );

  test('delete goes on without those that are not there, and tells which it could be', async () => {
    const { status, stdout, stderr } = await fake.kuke('delete', 'cell', 'cc', 'nobody', 'c', '--cascade');
    expect([status, stdout]).toEqual([3, told('not found', 'cc', 'nobody') + told('deleted', 'c')]);
    expect(stderr.split('\n')).toEqual([
      `error: cell ${AT}/cc: not found; there: a, b (with --ignore-not-found this is no failure)`,
      `error: cell ${AT}/nobody: not found; there: a, b (with --ignore-not-found this is no failure)`,
      '',
    ]);
    expect((await fake.kuke('delete', 'cell', 'b', 'bb', '--cascade', '--ignore-not-found')).status).toBe(0);
    expect((await fake.kuke('delete', 'cell', 'aa')).stderr).toContain('not found; did you mean `a`? there: a (');
  });

  test('one that fails keeps none of the others, and its exit code is the command’s', async () => {
    fake.host.faults.fail('runtime.stop', new Error('busy'));
    const { status, stdout, stderr } = await fake.kuke('stop', 'cell', 'c', 'b', 'a');
    expect(status).toBe(1);
    expect(stdout.match(/ stopped\n/g)).toHaveLength(2);
    expect(stdout.match(/ failed\n/g)).toHaveLength(1);
    expect(stderr).toMatch(/^error: cell main\/default\/default\/[abc]: runtime\.stop: busy/);
  });

  test('what is no name, or of a kind that nobody can start, is refused as a whole', async () => {
    const before = fake.host.inventory();
    expect(await fake.kuke('stop', 'cell', 'c', 'a--b')).toMatchObject({ status: 2, stdout: '' });
    expect((await fake.kuke('kill', 'cell', 'c', 'space/default')).stderr).toContain('a space cannot be stopped');
    expect((await fake.kuke('delete', 'cell', 'c', 'container/web')).status).not.toBe(0);
    expect((await fake.kuke('delete', 'cell')).stderr).toContain('KIND and NAME are needed');
    expect(fake.host.inventory()).toEqual(before);
  });
});

test('a start of what runs already changes nothing, and says so', async () => {
  const before = fake.host.inventory();
  expect((await fake.kuke('start', 'cell', 'a')).stdout).toBe(told('unchanged', 'a'));
  expect((await fake.kuke('get', 'cell', 'a', '-o', 'jsonpath={.spec.desiredState}')).stdout).toBe('');
  expect(fake.host.inventory()).toEqual(before);
});
