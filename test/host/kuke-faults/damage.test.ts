// containerd: once, since it has no part in this.
/** Files of state that are damaged: told with their path, and all else works. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import type { Containerd } from '../containerd.ts';
import { cell, pidsOf, stateOf } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { apply, kuke, run, tryApply } from '../kuke/kuke.ts';
import type { Inventory } from '../observe/inventory.ts';
import { processes } from '../observe/system.ts';
import { CONTROL, expectSame, failure, leavingNothing } from './failures.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
let empty: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  empty = await footprint();
});
afterAll(() => containerd.stop());

const file = '/opt/kukeon/main/default/default/web/cell.yaml';

describe('the manifest of a cell', () => {
  let whole: string;
  beforeAll(async () => {
    await apply(cell('web'), cell('other'));
    whole = readFileSync(file, 'utf8');
  });

  /** What has been started is still `runc init` for a moment, and then has to start its own. */
  const bothRun = () => {
    const sleeping = () => processes().filter(({ command }) => command.join(' ') === 'sleep 100000').length;
    return eventually(async () => (sleeping() === 2 ? true : undefined));
  };

  /** In the middle of a line. */
  const half = (text: string) => text.slice(0, text.indexOf('image:') + 3);
  test.each<[string, (text: string) => string | Uint8Array, string | RegExp]>([
    ['cut off', half, 'not valid YAML'],
    ['empty', () => '', 'not a manifest'],
    ['binary', () => new Uint8Array([0, 1, 2, 0xff, 0xfe]), /not/],
    ['no YAML', text => text.replace('spec:', 'spec: ['), /not valid YAML: line \d+, column \d+/],
    ['another version’s', text => text.replace('v1beta1', 'v9'), 'apiVersion is not v1beta1'],
    ['another cell’s', text => text.replace('name: web', 'name: shop'), 'is named shop'],
    ['one with an unknown field', text => text.replace('spec:', 'spec:\n  colour: red'), 'spec.colour: unknown field'],
    ['one with control characters', text => text.replace('spec:', '"\\e[31m\\x9b": 1\nspec: ['), 'not valid YAML'],
  ])('%s', async (_, damage, says) => {
    await bothRun();
    writeFileSync(file, damage(whole));
    const before = await footprint();
    const cells = await run(['get', 'cells', '-A']);
    expect(cells).toMatchObject({ status: 0, stdout: expect.stringMatching(/other +Ready/) });
    expect(cells.stderr).toContain(`warning: ${file}: `);
    expect(cells.stdout + cells.stderr).not.toMatch(CONTROL);
    failure(
      await tryApply(cell('web')),
      1,
      `cell main/default/default/web: ${file}: `,
      says,
      'mend or remove the file',
    );
    failure(await run(['delete', 'cell', 'web', '--cascade']), 1, `cell main/default/default/web: ${file}: `, says);
    failure(await run(['uninstall', '--yes']), 1, file, 'cannot be read, so it cannot be removed');
    await expectSame(before);
    // The others work on.
    await kuke('stop', 'cell', 'other');
    await kuke('start', 'cell', 'other');
    writeFileSync(file, whole);
    expect(await stateOf('web')).toBe('Ready');
  });

  test('keeps what it lies in, whatever else goes', async () => {
    writeFileSync(file, half(whole));
    const ran = await run(['delete', 'realm', 'main', '--cascade', '--force']);
    failure({ ...ran, stderr: ran.stderr.split('\n').slice(0, 1).join() }, 1, 'stack main/default/default: ', file);
    expect(ran.stdout).toBe(
      'cell main/default/default/other deleted\nstack main/default/default failed\nspace main/default failed\nrealm main failed\n',
    );
    await apply(cell('other'));
  });

  test('removed, and applied again: what runs is found', async () => {
    writeFileSync(file, half(whole));
    const before = await pidsOf('other');
    rmSync(file);
    expect(await apply(cell('web'))).toContain('cell main/default/default/web created');
    expect(await stateOf('web')).toBe('Ready');
    expect(await pidsOf('other')).toEqual(before);
    for (const name of ['web', 'other']) await kuke('delete', 'cell', name, '--cascade', '--force');
    await expectSame(empty);
  });
});

describe('the journal', () => {
  const folder = '/opt/kukeon/.kuke/journal';
  const plan = (steps: unknown[]) =>
    JSON.stringify({ event: 'plan', version: 4, id: 'x', onFailure: 'undo', command: 'kuke test', steps });
  const step = {
    id: '1',
    type: 'cgroup.create',
    params: { path: '/kukeon/main/default/left' },
    after: [],
    resource: 'stack x',
  };
  const start = JSON.stringify({ event: 'start', step: '1' });

  const path = `${folder}/0-x.jsonl`;
  const aside = `${folder}/0-x.unreadable`;

  test.each<[string, string]>([
    ['empty', ''],
    ['cut off in its first line', plan([step]).slice(0, 60)],
    ['cut off later', `${plan([step])}\n${start}\n{"event":"do`],
    ['with a line of garbage', `${plan([step])}\n\u0000\u0001}{\n${start}\n`],
    ['with a line of another shape', `${plan([step])}\n[]\n5\nnull\n{"event":5}\n${start}\n`],
  ])('%s, keeps nobody from anything', async (_, content) => {
    await leavingNothing(async () => {
      writeFileSync(path, content);
      expect(await run(['create', 'stack', 'new'])).toMatchObject({ status: 0 });
      expect(existsSync(path)).toBe(false);
      await kuke('delete', 'stack', 'new');
    });
  });

  test.each<[string, string | Uint8Array]>([
    ['binary', crypto.getRandomValues(new Uint8Array(5000))],
    ['without its first line', `${start}\n`],
    ['whose first line is damaged', `${plan([step]).slice(7)}\n${start}\n`],
    ['whose first line is of another shape', '{"event":"plan","id":5,"steps":"none"}\n'],
    ['of another kuke’s', `${plan([step]).replace('"version":4', '"version":1')}\n${start}\n`],
  ])(
    '%s, is kept, told of by each command that changes something, and keeps nobody from anything',
    async (_, content) => {
      await leavingNothing(async () => {
        writeFileSync(path, content);
        for (const name of ['a', 'b']) {
          const { status, stderr } = await run(['create', 'stack', name]);
          expect({ status, stderr }).toEqual({
            status: 0,
            stderr: expect.stringContaining(`cannot be read: ${aside}: `),
          });
          expect(readFileSync(aside)).toEqual(Buffer.from(content));
        }
        rmSync(aside);
        for (const name of ['a', 'b'])
          expect(await run(['delete', 'stack', name])).toMatchObject({ status: 0, stderr: '' });
      });
    },
  );

  test.each(['undo', 'finish', 'goOn'])(
    'of a plan (%s) whose plugin is gone is kept until somebody gives it up',
    async onFailure => {
      await leavingNothing(async () => {
        const strange = plan([{ ...step, type: 'stranger.act' }]).replace('"undo"', `"${onFailure}"`);
        writeFileSync(path, `${strange}\n${start}\n`);
        for (const name of ['a', 'b']) {
          const { status, stderr } = await run(['create', 'stack', name]);
          const says = `no plugin provides the operation stranger.act[^]*to give it up, remove ${path}\n`;
          expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringMatching(new RegExp(says)) });
        }
        rmSync(path);
        for (const name of ['a', 'b'])
          expect(await run(['delete', 'stack', name])).toMatchObject({ status: 0, stderr: '' });
      });
    },
  );
});

test('the instance id that is damaged is not guessed', async () => {
  const path = '/opt/kukeon/.kuke/instance';
  const id = readFileSync(path, 'utf8');
  for (const content of ['', 'not an id!\n', '\u001b[31m\n']) {
    writeFileSync(path, content);
    const ran = await leavingNothing(() => tryApply(cell('web')));
    failure(ran, 1, `${path} does not hold an instance id`, 'write the id back');
  }
  writeFileSync(path, id);
  truncateSync(path, id.length);
  expect(await run(['create', 'stack', 'x'])).toMatchObject({ status: 0 });
  await kuke('delete', 'stack', 'x');
});
