// containerd: once, since the engine decides here, whatever runs the containers.
/** A command that fails takes away what it made, and nothing that was there before it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Containerd } from '../containerd.ts';
import { cell, container, getCell, logged, manifest, shell } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { apply, failing, kuke, run, tryApply } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { difference } from '../observe/inventory.ts';
import { filesBelow } from '../observe/system.ts';
import { expectSame, failure, leavingNothing } from './failures.ts';
import { at, installKiller } from './killer.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
});
afterAll(() => containerd.stop());

const SPACE = '/opt/kukeon/main/default/space.yaml';
const space = manifest('Space', 'default', { realmId: 'main' });
describe('a space whose manifest was removed, as the docs say, while its cells run', () => {
  beforeAll(async () => {
    await apply(cell('web'));
    await logged('web', 'main', /ready/);
  });
  afterAll(() => kuke('delete', 'cell', 'web', '--cascade', '--force'));

  /** Somebody else's chain, in kuke's table, where one of kuke's belongs: the space's rules are not whole, and cannot be. */
  async function inTheWay(): Promise<void> {
    await output('nft', 'delete table inet kukeon');
    const chain = '{ type filter hook forward priority 5; }';
    await output('nft', `add table inet kukeon; add chain inet kukeon space_forward ${chain}`);
  }

  test('and that cannot be applied again, for something is in the way of its rules, loses nothing', async () => {
    const before = readFileSync(SPACE, 'utf8');
    await inTheWay();
    rmSync(SPACE);
    const host = await footprint();
    failure(await tryApply(space), 4, 'space main/default: ', 'inet kukeon');
    await expectSame(host);
    // Nor does a kuke that dies in the middle take anything along.
    await run(['apply', '-f', '-'], { stdin: JSON.stringify(space), env: at('before network.define') });
    await output('nft', 'delete table inet kukeon');
    expect(await apply(space)).toContain('space main/default created');
    expect(Bun.YAML.parse(readFileSync(SPACE, 'utf8'))).toMatchObject({
      status: { network: (Bun.YAML.parse(before) as { status: { network: object } }).status.network },
    });
    const { status } = await getCell('web');
    expect(status).toMatchObject({ state: 'Ready', attachments: [{ interface: 'eth0' }] });
    expect(await apply(cell('web'))).toContain('cell main/default/default/web unchanged');
  });
});

describe('a cell whose manifest was removed while it runs', () => {
  test('and whose second container cannot start, keeps what it had, its log too', async () => {
    await apply(cell('web'));
    await logged('web', 'main', /ready/);
    const { containers } = (await getCell('web')).status;
    rmSync('/opt/kukeon/main/default/default/web/cell.yaml');
    rmdirSync('/opt/kukeon/main/default/default/web');
    const host = await footprint();
    const broken = cell('web', [container('main'), container('side', { command: ['no-such-program'] })]);
    failure(await tryApply(broken), 1, 'no-such-program');
    await expectSame(host);
    expect(await apply(cell('web'))).toContain('cell main/default/default/web created');
    expect((await getCell('web')).status.containers).toMatchObject(containers.map(({ pid }) => ({ pid })));
    await kuke('delete', 'cell', 'web', '--cascade', '--force');
  });
});

test('a stopped cell that cannot be started says why, has nothing that runs, and leaves no namespace', async () => {
  await leavingNothing(async () => {
    await apply(cell('web', [shell('main', 'trap "exit 0" TERM; sleep 1000 & wait'), container('side')]));
    await kuke('stop', 'cell', 'web');
    const stopped = await footprint();
    const log = '/var/log/kukeon/main/default/default/web/side.log';
    const text = readFileSync(log);
    rmSync(log);
    mkdirSync(log);
    failure(await run(['start', 'cell', 'web']), 4, 'side.log');
    rmdirSync(log);
    writeFileSync(log, text, { mode: 0o640 });
    // The task that had ended makes room for the one that is to be started, and so does its cgroup.
    const changed = difference(stopped, await footprint()).filter(line => !line.includes('default_default_web_side'));
    expect(changed).toEqual(['side', 'web_root'].map(leaf => `- cgroup kukeon/main/default/default/web/${leaf}`));
    expect((await getCell('web')).status).toMatchObject({
      state: 'Failed',
      reason: 'Conflict',
      message: expect.stringMatching(/^it could not be started: .*side\.log/),
      attachments: [],
    });
    await kuke('start', 'cell', 'web');
    expect((await getCell('web')).status.state).toBe('Ready');
    await kuke('delete', 'cell', 'web', '--cascade', '--force');
  });
});

test('labels may be called as the engine’s own words', async () => {
  const labels = { $ref: '1', step: '2', path: '[]' };
  const named = { ...cell('web', [container('main', { labels })]), metadata: { name: 'web', labels } };
  await apply(named);
  const { metadata, spec, status } = await getCell('web');
  expect([metadata.labels, spec.containers[0]?.labels, status.state]).toEqual([labels, labels, 'Ready']);
  expect(await apply(named)).toContain('unchanged');
  await kuke('delete', 'cell', 'web', '--cascade', '--force');
});

describe('a first init elsewhere', () => {
  beforeAll(async () => {
    await apply(cell('there'));
    await logged('there', 'main', /ready/);
  });

  const elsewhere = ['--run-path', '/opt/elsewhere', 'init', '--realm', 'lab'];

  test('where another installation owns the cgroups, leaves nothing', async () => {
    expect(await leavingNothing(() => failing(4, ...elsewhere))).toContain(
      '/kukeon belongs to another installation of kuke',
    );
    expect(existsSync('/opt/elsewhere')).toBe(false);
  });

  test('that is interrupted leaves nothing, and says so', async () => {
    for (const moment of ['before store.writeFile', 'after store.writeFile', 'before cgroup.create']) {
      await leavingNothing(async () => {
        const { stderr, status } = await run(elsewhere, { env: at(moment, 'SIGINT') });
        expect({ moment, status, stderr }).toMatchObject({ moment, stderr: expect.stringContaining('error: ') });
        expect(status).not.toBe(0);
      });
    }
  });

  test.each(['/', '/etc', '/opt/link'])(
    'in %s, which holds other things, is refused before anything is read or made',
    async path => {
      rmSync('/opt/link', { force: true });
      symlinkSync('/etc', '/opt/link');
      await leavingNothing(async () =>
        failure(await run(['--run-path', path, 'init']), 4, `${path} holds what is not kuke's: `, '--run-path'),
      );
      expect(filesBelow('/etc').filter(file => file.includes('.kuke'))).toEqual([]);
      rmSync('/opt/link');
    },
  );

  test('in an empty folder, or one with plugins, is fine', async () => {
    mkdirSync('/opt/elsewhere/.kuke/plugins', { recursive: true });
    expect(await failing(4, ...elsewhere)).not.toContain("holds what is not kuke's");
    expect(existsSync('/opt/elsewhere/.kuke/plugins')).toBe(true);
    rmSync('/opt/elsewhere', { recursive: true });
  });
});
