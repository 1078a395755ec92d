import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeAll(async () => {
  fake = await readyKuke();
  await fake.kuke('apply', '-f', fake.file('web.yaml', cellYaml('web')));
});
afterAll(() => fake.remove());

const exec = (...argv: string[]) => fake.kuke('exec', ...argv);

describe('exec', () => {
  test('prints what the command writes, and ends with its code', async () => {
    const script = 'echo $A; exit 7';
    expect(await exec('web', '-e', 'A=b', '--', 'sh', '-c', script)).toEqual({ status: 7, stdout: 'b\n', stderr: '' });
  });

  test.each(['cell/web', 'ce/web', 'Cell/web'])('takes %s, as `get -o name` prints it', async name => {
    expect(await exec(name, '--', 'sh', '-c', 'exit 5')).toMatchObject({ status: 5, stderr: '' });
    expect(await fake.kuke('logs', name)).toMatchObject({ status: 0, stderr: '' });
  });

  test('flags behind -- are the command’s', async () => {
    expect((await exec('web', '--', 'sh', '-c', 'exit 4', '--help')).status).toBe(4);
  });

  test.each([
    [['web', '--', 'no-such'], 127, 'no-such cannot be run'],
    [['wbe', '--', 'true'], 3, '`web`'],
    [['space/default', '--', 'true'], 2, '`space/default` is no cell'],
    [['cel/web', '--', 'true'], 2, 'did you mean `cell`?'],
    [['web', '-c', 'sied', '--', 'true'], 3, 'there is no container `sied`'],
    [['web'], 2, 'COMMAND is needed'],
    [['web', '-e', 'A', '--', 'true'], 2, '--env: `A` is not KEY=VALUE'],
    [['web', '-w', 'tmp', '--', 'true'], 2, '--workdir: `tmp` is not an absolute path'],
  ])('%j: exit code %d, %s', async (argv, status, message) => {
    const ran = await exec(...argv);
    expect(ran).toMatchObject({ status, stdout: '' });
    expect(ran.stderr).toStartWith('error: ');
    expect(ran.stderr).toContain(message);
  });

  test('in what does not run: the command that starts it, with the scope', async () => {
    await fake.kuke('stop', 'cell', 'web');
    const { status, stderr } = await exec('web', '--stack', 'default', '--', 'true');
    expect(status).toBe(4);
    expect(stderr).toContain('does not run (it is Exited');
    expect(stderr).toContain('`kuke start cell web --stack default`');
    fake.host.runtime.up = false;
    expect((await exec('web', '--', 'true')).status).toBe(5);
    fake.host.runtime.up = true;
  });
});
