/** What a space gives to its containers: `spec.defaults.container`. */
import { beforeEach, describe, expect, test } from 'bun:test';
import { KukeError } from '../../../../src/kernel/errors.ts';
import { cellRef } from '../kernel-on-fakes.ts';
import {
  cell,
  defaults,
  type Limited,
  leaf,
  limited,
  MI,
  main,
  memory,
  of,
  START,
  STOP,
  STRICT,
  side,
  space,
  stack,
  to,
  told,
  web,
} from './limited.ts';

let kuke: Limited;
beforeEach(async () => {
  kuke = await limited();
});

const configs = () =>
  new Map(
    [...(kuke.host.runtime.namespaces.get('kukeon-main')?.containers ?? [])].map(([id, one]) => [id, one.config]),
  );
const pids = () => kuke.pids();
const contained = (id: string) => kuke.contained(id);
const AGAIN = 'its containers have to be made anew for that: apply it again';

describe('flow into containers', () => {
  test('that say nothing themselves, and their status tells where from', async () => {
    const given = {
      ...memory('64Mi'),
      user: 'nobody',
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      securityOpts: ['no-new-privileges'],
      tmpfs: [{ path: '/tmp', sizeBytes: 4096 }],
    };
    await kuke.put(space, defaults(given));
    const own = { user: '1000', capabilities: { add: ['NET_ADMIN'] }, securityOpts: [], readOnlyRootFilesystem: false };
    await kuke.put(web, of(main(), side({ ...own, resources: { pids: { limit: 5 } }, tmpfs: [] })));
    expect(configs().get('default_default_web_root')).toMatchObject({
      user: 'nobody',
      capabilities: { add: [], drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      securityOpts: ['no-new-privileges'],
    });
    expect(configs().get('default_default_web_root')?.mounts).toContainEqual({
      kind: 'tmpfs',
      target: '/tmp',
      sizeBytes: 4096,
    });
    // A field of its own replaces the default whole.
    expect(configs().get('default_default_web_side')).toMatchObject({
      user: '1000',
      capabilities: { add: ['NET_ADMIN'], drop: [] },
      readOnlyRootFilesystem: false,
      securityOpts: [],
    });
    expect([kuke.values(leaf()), kuke.values(leaf('side'))]).toEqual([
      { 'memory.limit': 64 * MI },
      { 'pids.limit': 5 },
    ]);
    const from = 'space main/default';
    expect(await contained('main')).toMatchObject({
      resources: [{ field: 'memory.limit', value: '64Mi', from }],
      defaults: {
        user: { value: 'nobody', from },
        capabilities: { value: { drop: ['ALL'] }, from },
        readOnlyRootFilesystem: { value: true, from },
        securityOpts: { value: ['no-new-privileges'], from },
        tmpfs: { value: given.tmpfs, from },
      },
    });
    const beside = await contained('side');
    expect(beside.resources).toEqual([{ field: 'pids.limit', value: '5', from: 'spec' }]);
    expect(beside).not.toHaveProperty('defaults');
  });

  test('and the manifest stays what the user said', async () => {
    await kuke.put(space, defaults({ user: 'nobody', ...memory('64Mi') }));
    await kuke.put(web);
    expect((await kuke.get('Cell', ...web.path)).manifest.spec.containers).toEqual([main()]);
    expect(told(await kuke.put(web))).toBe('unchanged');
  });

  test('beside what a container mounts itself at the same place', async () => {
    await kuke.put(space, defaults({ tmpfs: [{ path: '/tmp' }, { path: '/run' }] }));
    await kuke.put(web, of(main({ volumes: [{ kind: 'tmpfs', target: '/tmp/', sizeBytes: 4096 }] })));
    const mounts = configs()
      .get('default_default_web_root')
      ?.mounts.filter(({ kind }) => kind === 'tmpfs');
    expect(mounts).toEqual([
      { kind: 'tmpfs', target: '/tmp/', sizeBytes: 4096 },
      { kind: 'tmpfs', target: '/run' },
    ]);
  });

  test('of their own space alone', async () => {
    await kuke.apply(
      '{ apiVersion: v1beta1, kind: Space, metadata: { name: other }, spec: { defaults: { container: { user: nobody } } } }',
    );
    await kuke.put(web);
    expect(configs().get('default_default_web_root')).not.toHaveProperty('user');
  });
});

test.each([
  [{ image: 'x' }, 'spec.defaults.container.image: unknown field'],
  [{ user: 'a b' }, 'spec.defaults.container.user: must be a user'],
  [{ capabilities: { add: ['NET_ADMN'] } }, 'spec.defaults.container.capabilities.add[0]: `NET_ADMN` is no capability'],
  [{ tmpfs: [{ path: '/a' }, { path: '/a/' }] }, 'spec.defaults.container.tmpfs[1].path: /a is the place of'],
  [memory('0'), 'spec.defaults.container.resources.memory.limit: must be more than 0'],
])('%j is refused', async (given, why) => {
  await expect(kuke.put(space, defaults(given))).rejects.toThrow(why);
});

describe('limits that change', () => {
  test('are in force in running containers at once, and nothing is made anew', async () => {
    await kuke.put(space, defaults(memory('64Mi')));
    await kuke.put(web, of(main(), side(memory('32Mi'))));
    await kuke.put(cell('two'));
    const before = pids();
    const changed = await kuke.put(space, defaults(memory('128Mi')));
    expect([told(changed), changed.notes]).toEqual(['updated', []]);
    expect(kuke.values(leaf())).toEqual({ 'memory.limit': 128 * MI });
    expect(kuke.values(leaf('side'))).toEqual({ 'memory.limit': 32 * MI });
    expect(kuke.values(leaf('two_root', 'two'))).toEqual({ 'memory.limit': 128 * MI });
    expect(pids()).toEqual(before);
    for (const level of [web, cell('two')]) {
      const spec = level === web ? of(main(), side(memory('32Mi'))) : {};
      expect(told(await kuke.put(level, spec))).toBe('unchanged');
    }
    await kuke.put(space);
    expect(kuke.values(leaf())).toEqual({});
  });

  test('come to cells that a kuke which died has not got to, with the next command', async () => {
    await kuke.put(web);
    void kuke.put(space, defaults(memory('64Mi')));
    await kuke.host.faults.crash('cgroup.limit');
    kuke = await limited(await kuke.another());
    expect(kuke.values(leaf())).toEqual({});
    await kuke.put(stack);
    expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
  });

  test('and cannot be set in one cell are set in none, and the space is as before', async () => {
    await kuke.put(space, defaults(memory('32Mi')));
    await kuke.put(web, of(main(), side()));
    await kuke.put(cell('two'));
    const groups = [leaf(), leaf('side'), leaf('two_root', 'two')];
    for (const nth of [1, 2, 3]) {
      const before = kuke.host.inventory();
      // A backend says more of what it was at.
      kuke.host.faults.fail('cgroup.limit', new KukeError('CgroupFailed', 'EBUSY', { step: 'write memory.max' }), {
        nth,
      });
      const outcome = await kuke.put(space, defaults(memory('64Mi')));
      expect([outcome.result, outcome.error?.exitCode]).toEqual(['failed', 1]);
      expect(told(outcome)).toMatch(/^cell main\/default\/default\/\w+: write memory\.max: EBUSY/);
      for (const group of groups) expect(kuke.values(group)).toEqual({ 'memory.limit': 32 * MI });
      expect(kuke.host.inventory()).toEqual(before);
      expect(told(await kuke.put(space, defaults(memory('32Mi'))))).toBe('unchanged');
    }
  });

  test('are left as they are while nobody can read what the space says', async () => {
    await kuke.put(space, defaults(memory('64Mi')));
    await kuke.put(web);
    const key = 'space:main/default';
    kuke.host.store.manifests.delete(key);
    kuke.host.store.spoilt.set(key, { path: '/x', ref: { kind: 'Space', path: space.path }, message: 'no YAML' });
    await kuke.apply('{ apiVersion: v1beta1, kind: Realm, metadata: { name: other } }');
    expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
    expect(await contained('main')).toMatchObject({ state: 'Running' });
  });
});

describe('limits that make no sense, or cannot be enforced', () => {
  test('are refused with the space, by their field there', async () => {
    await kuke.put(space, defaults(memory('64Mi')));
    await kuke.put(web);
    const field = 'spec.defaults.container.resources.memory.limit';
    expect((await kuke.put(space, defaults(memory('4Pi')))).error?.details).toMatchObject({ field });
    expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
    kuke.host.controllers.delete('memory');
    expect((await kuke.put(space, defaults(memory('64Mi')), STRICT)).error).toMatchObject({ code: 'HostNotReady' });
    expect((await kuke.put(space, defaults(memory('64Mi')))).notes).toEqual([
      `${field} is not enforced: no cgroup controller memory`,
    ]);
  });

  test('where only a cell shows it, name the space whose they are', async () => {
    await kuke.put(space, defaults({ resources: { cpu: { cpuset: '0' } } }));
    const refused = await kuke.put(web, { resources: { cpu: { cpuset: '1' } } });
    expect(refused.error?.details).toMatchObject({
      resource: 'space main/default',
      field: 'spec.defaults.container.resources.cpu.cpuset',
    });
    kuke.host.controllers.delete('cpuset');
    kuke.host.controllers.delete('memory');
    await kuke.put(space, defaults(memory('64Mi')));
    expect((await kuke.put(web, of(main(), side()))).notes).toEqual([
      'spec.defaults.container.resources.memory.limit of space main/default is not enforced: no cgroup controller memory',
    ]);
  });

  test('more than the space has itself is told', async () => {
    expect((await kuke.put(space, { ...memory('32Mi'), ...defaults(memory('64Mi')) })).notes).toEqual([
      'spec.defaults.container.resources.memory.limit asks for 64Mi, which is more than it can have in space main/default (memory.limit 32Mi)',
    ]);
  });
});

describe('the other fields', () => {
  test('take new containers, with the next apply of each cell, and the space says which wait', async () => {
    await kuke.put(web);
    await kuke.put(cell('two'));
    await kuke.put(cell('own'), of(main({ user: '1000' })));
    await kuke.put(cell('idle'), of());
    const before = pids();
    const changed = await kuke.put(space, defaults({ user: 'nobody', ...memory('64Mi') }));
    const waiting = ['two', 'web'].map(name => `cell main/default/default/${name}`).join(', ');
    expect(changed.notes).toEqual([`${waiting}: ${AGAIN}`]);
    expect(pids()).toEqual(before);
    expect(kuke.values(leaf())).toEqual({ 'memory.limit': 64 * MI });
    const applied = await kuke.put(web);
    expect(applied.steps).toContain('runtime.create');
    expect(configs().get('default_default_web_root')?.user).toBe('nobody');
    expect(told(await kuke.put(web))).toBe('unchanged');
    expect(told(await kuke.put(cell('own'), of(main({ user: '1000' }))))).toBe('unchanged');
  });

  test('come with the next start of a stopped cell, for which nobody waits', async () => {
    await kuke.put(web);
    await kuke.change(cellRef('web'), to('stopped'), STOP);
    expect((await kuke.put(space, defaults({ user: 'nobody' }))).notes).toEqual([]);
    await kuke.change(cellRef('web'), to('running'), START);
    expect(configs().get('default_default_web_root')?.user).toBe('nobody');
  });

  test('are nobody’s to wait for whom the same command applies', async () => {
    await kuke.put(web);
    const yaml = [
      {
        apiVersion: 'v1beta1',
        kind: 'Space',
        metadata: { name: 'default' },
        spec: { ...space.scope, ...defaults({ user: 'nobody' }) },
      },
      { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name: 'web' }, spec: { ...web.scope, containers: [main()] } },
    ];
    const outcomes = await kuke.apply(yaml.map(one => JSON.stringify(one)).join('\n---\n'));
    expect(outcomes.map(({ result, notes }) => [result, notes])).toEqual([
      ['updated', []],
      ['updated', []],
    ]);
    expect(configs().get('default_default_web_root')?.user).toBe('nobody');
  });
});
