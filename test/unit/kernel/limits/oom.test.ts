/** What a status says of containers that were killed for want of memory. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { makeObserveContext, readTree } from '../../../../src/kernel/observe.ts';
import { cellRef } from '../kernel-on-fakes.ts';
import {
  type Limited,
  leaf,
  limited,
  MI,
  main,
  memory,
  realm,
  START,
  side,
  space,
  stack,
  to,
  told,
  web,
} from './limited.ts';

let kuke: Limited;
const ROOT = 'default_default_web_root';
const SIDE = 'default_default_web_side';

beforeEach(async () => {
  kuke = await limited();
  for (const [level, limit] of [
    [realm, '900Mi'],
    [space, '800Mi'],
    [stack, '700Mi'],
  ] as const)
    await kuke.put(level, memory(limit));
  await kuke.put(web, { ...memory('600Mi'), containers: [main(memory('64Mi')), side()] });
});

const kill = (id: string, path?: string, peak?: number) => {
  const group = kuke.host.cgroups.get(leaf(id === ROOT ? 'web_root' : 'side'));
  if (group && peak !== undefined) group.memory = peak;
  kuke.host.oomKill('kukeon-main', id, path);
};
const contained = (id: string) => kuke.contained(id);
const start = () => kuke.change(cellRef('web'), to('running'), START);

describe('whose limit it was', () => {
  test.each([
    ['its own', () => leaf(), 'its own limit (64Mi) was hit'],
    ['the cell’s', () => web.group, 'the limit of cell main/default/default/web (600Mi) was hit'],
    ['the stack’s', () => stack.group, 'the limit of stack main/default/default (700Mi) was hit'],
    ['the space’s', () => space.group, 'the limit of space main/default (800Mi) was hit'],
    ['the realm’s', () => realm.group, 'the limit of realm main (900Mi) was hit'],
    ['init’s', () => '/kukeon', 'the limit of all that kuke runs was hit'],
    ['the host’s', () => undefined, 'the host had none left'],
  ])('%s', async (_, path, words) => {
    kill(ROOT, path(), 63.48 * MI);
    const message = `killed for want of memory: ${words}; it had 63.5Mi at most`;
    expect(await contained('main')).toMatchObject({
      state: 'Exited',
      exitCode: 137,
      reason: 'OOMKilled',
      message,
      oomKills: 1,
    });
    expect(await kuke.status(web)).toMatchObject({ state: 'Failed', reason: 'OOMKilled' });
    expect((await kuke.status(web)).message).toStartWith(`the root container \`main\` was ${message}`);
  });
});

test('whoever keeps it running is told, too', async () => {
  kill(SIDE, stack.group);
  const tree = await readTree(kuke.kernel);
  const { supervision } = kuke.kernel.kinds.lifecycle('Cell');
  const seen = await supervision?.look(makeObserveContext(tree), tree.get(cellRef('web')));
  expect(seen?.members.map(({ id, killed }) => [id, killed])).toEqual([
    ['main', undefined],
    ['side', 'killed for want of memory: the limit of stack main/default/default (700Mi) was hit'],
  ]);
});

test('of one that is not the root, the cell is degraded and says why', async () => {
  kill(SIDE, stack.group);
  expect(await kuke.status(web)).toMatchObject({
    state: 'Degraded',
    message:
      '`side` (killed for want of memory: the limit of stack main/default/default (700Mi) was hit) is not running',
  });
  expect(await contained('main')).not.toHaveProperty('oomKills');
});

test('an end of another kind is none', async () => {
  kuke.host.exit('kukeon-main', ROOT, 137);
  const one = await contained('main');
  expect(one.exitCode).toBe(137);
  expect(one).not.toHaveProperty('reason');
  expect(one).not.toHaveProperty('oomKills');
  expect((await kuke.status(web)).reason).toBe('RootExited');
});

test('the count goes on over restarts, new containers and reboots; the reason is of the last life alone', async () => {
  kill(ROOT, leaf());
  await start();
  expect(await contained('main')).toMatchObject({ state: 'Running', oomKills: 1 });
  expect(await contained('main')).not.toHaveProperty('reason');
  kill(ROOT, leaf());
  expect(await contained('main')).toMatchObject({ reason: 'OOMKilled', oomKills: 2 });
  await start();
  await kuke.put(web, { ...memory('600Mi'), containers: [main({ ...memory('64Mi'), env: ['A=1'] }), side()] });
  expect(await contained('main')).toMatchObject({ state: 'Running', oomKills: 2 });
  kill(ROOT, web.group);
  await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
  kuke.host.reboot();
  kuke = await limited(await kuke.another());
  expect(await contained('main')).toMatchObject({ reason: 'OOMKilled', oomKills: 3 });
  await start();
  expect(await contained('main')).toMatchObject({ state: 'Running', oomKills: 3 });
  expect(await contained('main')).not.toHaveProperty('reason');
  kill(ROOT, leaf());
  expect(await contained('main')).toMatchObject({ oomKills: 4 });
});

test('each container has a count of its own', async () => {
  kill(SIDE, leaf('side'));
  await start();
  kill(SIDE, leaf('side'));
  kill(ROOT, leaf());
  await start();
  expect([(await contained('main')).oomKills, (await contained('side')).oomKills]).toEqual([1, 2]);
});

test('the count of one whose cell goes on outlives a reboot, once any command has seen it', async () => {
  kill(SIDE, leaf('side'));
  const writes = () => kuke.host.calls.filter(({ action }) => action === 'store.write').length;
  const before = writes();
  const idle = async () => [told(await kuke.put(realm, memory('900Mi'))), writes() - before];
  expect(await idle()).toEqual(['unchanged', 1]);
  expect(await idle()).toEqual(['unchanged', 1]);
  kuke.host.reboot();
  kuke = await limited(await kuke.another());
  expect(await contained('side')).toMatchObject({ oomKills: 1 });
});

test('where the host counts nothing, nothing is said, and what was known stays', async () => {
  kill(ROOT, leaf());
  await start();
  kuke.host.controllers.delete('memory');
  expect(await contained('main')).toMatchObject({ state: 'Running', oomKills: 1 });
  kill(ROOT, leaf());
  expect((await kuke.status(web)).reason).toBe('RootExited');
});

test('the count outlives a time in which nobody could see the containers', async () => {
  kill(ROOT, leaf());
  await start();
  kuke.host.runtime.up = false;
  expect(await contained('main')).toMatchObject({ state: 'Unknown', oomKills: 1 });
});

test('whose root is to be started again says by whose limit it ended, also when nothing of that is left to be seen', async () => {
  await kuke.put(web, { containers: [{ ...main(memory('64Mi')), restartPolicy: 'always' }, side()] });
  kill(ROOT, leaf());
  await kuke.put(realm, memory('800Mi'));
  kuke.host.cgroups.delete(leaf());
  expect(await kuke.status(web)).toMatchObject({
    state: 'Failed',
    reason: 'Restarting',
    message:
      'the root container `main` was killed for want of memory: its own limit (64Mi) was hit; kukeond starts it again',
  });
});
