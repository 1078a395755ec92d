/** What every Network backend must do. What packets do is a matter of the real backend's own tests. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type {
  AttachRequest,
  NetworkBackend,
  NetworkChoice,
  NetworkDefinition,
} from '../../src/kernel/backends/index.ts';
import { cancelled, context, expectCommand, failure, HOSTILE, saysWhatIsThere, type UnderTest } from './contract.ts';

export interface NetworkUnderTest extends UnderTest {
  /** On a host without networks, on which 10.88.0.0/16 to 10.127.255.255 are free. */
  backend: NetworkBackend;
  /** Folder for conflists, empty. */
  configPath: string;
  /** A path for a namespace of ours, `/run/netns/kuke-...`; another one each time. */
  netns(): string;
  /** Makes a conflist of that name that is not ours, on `subnet`. */
  foreignNetwork(name: string, subnet: string): Promise<void>;
  /** Whether there is a conflist of that name. */
  hasConflist(name: string): Promise<boolean>;
  loseConflist(name: string): Promise<void>;
  /** Makes a namespace at the path that is not ours. */
  foreignNetns(path: string): Promise<void>;
  hasNetns(path: string): Promise<boolean>;
  /** As a reboot would, or `ip netns delete`. */
  loseNetns(path: string): Promise<void>;
  /** Gives an address of this range to the host, e.g. on a link of its own. */
  useRange(subnet: string): Promise<void>;
}

export function networkSuite(name: string, make: () => Promise<NetworkUnderTest>): void {
  describe(name, () => {
    let t: NetworkUnderTest;
    let network: NetworkBackend;
    let serial: number;
    beforeEach(async () => {
      t = await make();
      network = t.backend;
      serial = 0;
    });
    afterEach(() => t.cleanup());

    const choose = (realm: string, space: string, subnet?: string): Promise<NetworkChoice> =>
      network.choose({ realm, space, configPath: t.configPath, ...(subnet !== undefined && { subnets: [subnet] }) });
    const chosen = async (...args: Parameters<typeof choose>): Promise<NetworkDefinition> => {
      const { notes: _, ...definition } = await choose(...args);
      return definition;
    };
    const define = async (...args: Parameters<typeof choose>): Promise<NetworkDefinition> => {
      const definition = await chosen(...args);
      await network.define(definition, context());
      return definition;
    };
    const observe = () => network.observe({ configPaths: [t.configPath] });
    const observed = async (of: string) => (await observe()).networks.find(net => net.name === of);
    const open = async (): Promise<string> => {
      const path = t.netns();
      await network.open({ path }, context());
      return path;
    };
    const request = (to: NetworkDefinition, netns: string, options: Partial<AttachRequest> = {}): AttachRequest => ({
      name: to.name,
      configPath: to.configPath,
      attachmentId: `suite-${++serial}`,
      netns,
      interface: 'eth0',
      ...options,
    });

    describe('choose', () => {
      test('gives the first space 10.88.0.0/16, and others a /20 each', async () => {
        const first = await define('main', 'default');
        expect(first).toMatchObject({
          realm: 'main',
          space: 'default',
          configPath: t.configPath,
          subnet: '10.88.0.0/16',
          gateway: '10.88.0.1',
        });
        const others = [await define('main', 'a'), await define('main', 'b'), await define('lab', 'default')];
        for (const { subnet } of others) expect(subnet).toMatch(/^10\.(89|9\d|1[01]\d|12[0-7])\.\d+\.0\/20$/);
        expect(new Set(others.map(other => other.subnet)).size).toBe(3);
      });

      test('changes nothing, and says the same again', async () => {
        const first = await choose('main', 'default');
        expect(await choose('main', 'default')).toEqual(first);
        expect(await observe()).toEqual({ networks: [], attachments: [], namespaces: [], problems: [] });
        expect(await t.hasConflist(first.name)).toBe(false);
      });

      test('reads back what is defined', async () => {
        const defined = await define('main', 'shop', '192.168.77.0/24');
        expect(await chosen('main', 'shop')).toEqual(defined);
        expect(await chosen('main', 'shop', '192.168.77.0/24')).toEqual(defined);
      });

      test('goes by the recorded choice when the conflist is lost, and by the conflist when both exist', async () => {
        const recorded = await define('main', 'shop');
        await define('main', 'other');
        await t.loseConflist(recorded.name);
        const again = await network.choose({ realm: 'main', space: 'shop', configPath: t.configPath, recorded });
        expect(again).toMatchObject(recorded);
        await network.define(recorded, context());
        const stale = { ...recorded, subnet: '10.99.0.0/20', gateway: '10.99.0.1' };
        expect(
          await network.choose({ realm: 'main', space: 'shop', configPath: t.configPath, recorded: stale }),
        ).toMatchObject(recorded);
      });

      test('names networks and bridges apart, within what the kernel takes', async () => {
        const pairs = [
          ['a-b', 'c'],
          ['a', 'b-c'],
          ['a', 'b'],
          ['A', 'B2'],
          ['main', 'default'],
          ['long-realm-name', 'long-space-name'],
        ];
        const made: NetworkDefinition[] = [];
        for (const [realm = '', space = ''] of pairs) made.push(await define(realm, space));
        expect(new Set(made.map(({ name }) => name.toLowerCase())).size).toBe(pairs.length);
        expect(new Set(made.map(({ bridge }) => bridge.toLowerCase())).size).toBe(pairs.length);
        for (const { bridge } of made) expect(bridge).toMatch(/^kuke-[A-Za-z0-9-]{1,10}$/);
        expect(made.find(({ realm, space }) => realm === 'a' && space === 'b')).toMatchObject({
          name: 'a-b',
          bridge: 'kuke-a-b',
        });
        for (const definition of made) expect(await chosen(definition.realm, definition.space)).toEqual(definition);
      });

      test('never hands out a range that is in use, and says so where one would expect it', async () => {
        await t.useRange('10.88.0.0/16');
        await t.foreignNetwork('podman', '10.89.0.0/16');
        const first = await choose('main', 'default');
        expect(first.subnet).toMatch(/^10\.(9\d|1[01]\d|12[0-7])\.\d+\.0\/20$/);
        expect(first.notes.join(' ')).toContain('10.88.0.0/16');
        await failure(choose('main', 'x', '10.88.4.0/24'), 'Conflict');
        await failure(choose('main', 'x', '10.80.0.0/12'), 'Conflict');
      });

      test('gives an IPv6 range where one is asked for: a named one, or one of its own', async () => {
        const choose6 = async (space: string, request: { subnets?: string[]; ipv6?: boolean }) => {
          const choice = { realm: 'main', space, configPath: t.configPath, ...request };
          const { notes: _, ...definition } = await network.choose(choice);
          return definition;
        };
        expect((await choose('main', 'plain')).subnet6).toBeUndefined();
        const named = await choose6('named', { subnets: ['192.168.77.0/24', 'fd01:2:3:4::/64'] });
        expect(named).toMatchObject({
          subnet: '192.168.77.0/24',
          gateway: '192.168.77.1',
          subnet6: 'fd01:2:3:4::/64',
          gateway6: 'fd01:2:3:4::1',
        });
        await network.define(named, context());
        expect(await chosen('main', 'named')).toEqual(named);
        await failure(choose6('x', { subnets: ['fd01:2:3:4::/64'] }), 'Conflict');
        await failure(choose6('x', { subnets: ['fd01:2:3:4::1/64'] }), 'InvalidManifest');
        const own = [await choose6('a', { ipv6: true }), await choose6('b', { ipv6: true })];
        for (const { subnet6 } of own) expect(subnet6).toMatch(/^fd[0-9a-f]{2}:.*::\/64$/);
        expect(own[0]?.subnet6).not.toBe(own[1]?.subnet6);
        expect(await choose6('a', { ipv6: true })).toEqual(own[0] as NetworkDefinition);
      });

      test.each(['10.0.0.0', '10.0.0.0/33', '300.0.0.0/24', 'x', '10.0.0.0/31', '10.0.0.0/32'])(
        'refuses the range %j',
        async subnet => {
          await failure(choose('main', 'x', subnet), 'InvalidManifest');
        },
      );
    });

    describe('define', () => {
      test('makes a network that is ours and enforced; the bridge comes later', async () => {
        const definition = await define('main', 'default');
        expect(await t.hasConflist(definition.name)).toBe(true);
        expect((await observe()).networks).toEqual([
          { ...definition, ours: true, bridgeExists: false, enforced: true },
        ]);
      });

      test('twice is once', async () => {
        const definition = await define('main', 'default');
        await network.define(definition, context());
        expect((await observe()).networks).toHaveLength(1);
      });

      test('many at once', async () => {
        const definitions = [];
        for (const space of ['a', 'b', 'c', 'd'])
          definitions.push(await chosen('main', space, `10.9${definitions.length}.0.0/20`));
        await Promise.all([...definitions, ...definitions].map(one => network.define(one, context())));
        expect((await observe()).networks.map(one => one.name).sort()).toEqual(definitions.map(one => one.name).sort());
        expect((await observe()).networks.every(one => one.enforced)).toBe(true);
      });

      test('leaves a conflist alone that is not ours', async () => {
        const definition = await chosen('main', 'default');
        await t.foreignNetwork(definition.name, '10.200.0.0/24');
        await failure(network.define(definition, context()), 'Conflict');
        await network.remove(definition, context());
        expect(await t.hasConflist(definition.name)).toBe(true);
        expect((await observed(definition.name))?.ours ?? false).toBe(false);
      });

      test('does nothing when cancelled before', async () => {
        const definition = await chosen('main', 'default');
        await failure(network.define(definition, cancelled()), 'Cancelled');
        expect(await t.hasConflist(definition.name)).toBe(false);
      });
    });

    describe('remove', () => {
      test('leaves nothing', async () => {
        const definition = await define('main', 'default');
        const other = await define('main', 'other');
        const attach = request(definition, await open());
        await network.attach(attach, context());
        await network.detach(attach, context());
        await network.close({ path: attach.netns }, context());
        await network.remove({ name: definition.name, configPath: definition.configPath }, context());
        expect(await observe()).toEqual({
          networks: [{ ...other, ours: true, bridgeExists: false, enforced: true }],
          attachments: [],
          namespaces: [],
          problems: [],
        });
        expect(await t.hasConflist(definition.name)).toBe(false);
        expect(await chosen('main', 'default')).toEqual(definition);
      });

      test('twice, and of what was never there', async () => {
        const definition = await define('main', 'default');
        await network.remove(definition, context());
        await network.remove(definition, context());
        await network.remove({ name: 'main-never', configPath: t.configPath }, context());
        expect((await observe()).networks).toEqual([]);
      });
    });

    describe('namespaces', () => {
      test('are opened and closed, each twice', async () => {
        const path = await open();
        await network.open({ path }, context());
        expect((await observe()).namespaces).toEqual([path]);
        expect(await t.hasNetns(path)).toBe(true);
        await network.close({ path }, context());
        await network.close({ path }, context());
        expect((await observe()).namespaces).toEqual([]);
        expect(await t.hasNetns(path)).toBe(false);
      });

      test('are closed when they were never opened', async () => {
        await network.close({ path: t.netns() }, context());
        expect((await observe()).namespaces).toEqual([]);
      });

      test('many at once', async () => {
        const paths = await Promise.all(Array.from({ length: 5 }, open));
        expect((await observe()).namespaces.sort()).toEqual(paths.sort());
        await Promise.all(paths.map(path => network.close({ path }, context())));
        expect((await observe()).namespaces).toEqual([]);
      });

      test('of others are left alone', async () => {
        const path = '/run/netns/suite-foreign';
        await t.foreignNetns(path);
        await failure(network.open({ path }, context()));
        await network.close({ path }, context()).catch(() => {});
        expect(await t.hasNetns(path)).toBe(true);
        expect((await observe()).namespaces).toEqual([]);
      });

      test('are not opened when cancelled before', async () => {
        const path = t.netns();
        await failure(network.open({ path }, cancelled()), 'Cancelled');
        expect(await t.hasNetns(path)).toBe(false);
      });
    });

    describe('attach', () => {
      test('gives one address of the range, with the gateway, and it is observed', async () => {
        const definition = await define('main', 'default');
        const wanted = request(definition, await open());
        const made = await network.attach(wanted, context());
        expect(made).toEqual({
          network: definition.name,
          interface: 'eth0',
          addresses: [expect.stringMatching(/^10\.88\.\d+\.\d+\/16$/)],
          gateway: '10.88.0.1',
          attachmentId: wanted.attachmentId,
        });
        expect((await observe()).attachments).toEqual([{ ...made, netns: wanted.netns, present: true }]);
        expect(await observed(definition.name)).toMatchObject({ bridgeExists: true });
      });

      test('twice under one id is one attachment', async () => {
        const wanted = request(await define('main', 'default'), await open());
        await network.attach(wanted, context());
        const again = await network.attach(wanted, context());
        expect((await observe()).attachments).toEqual([{ ...again, netns: wanted.netns, present: true }]);
        await network.detach(wanted, context());
        expect((await observe()).attachments).toEqual([]);
      });

      test('gives each its own address, also at once', async () => {
        const definition = await define('main', 'default');
        const wanted = (await Promise.all(Array.from({ length: 5 }, open))).map(netns => request(definition, netns));
        const made = await Promise.all(wanted.map(one => network.attach(one, context())));
        expect(new Set(made.flatMap(({ addresses }) => addresses)).size).toBe(5);
        expect((await observe()).attachments).toHaveLength(5);
        await Promise.all(wanted.map(one => network.detach(one, context())));
        expect((await observe()).attachments).toEqual([]);
      });

      test('joins one namespace to two networks', async () => {
        const netns = await open();
        const one = request(await define('main', 'a'), netns);
        const two = request(await define('main', 'b'), netns, { interface: 'eth1' });
        await network.attach(one, context());
        const second = await network.attach(two, context());
        expect((await observe()).attachments.map(made => made.interface).sort()).toEqual(['eth0', 'eth1']);
        await network.detach(one, context());
        expect((await observe()).attachments).toEqual([{ ...second, netns, present: true }]);
      });

      test('needs the network and the namespace, and leaves nothing when it fails', async () => {
        const definition = await define('main', 'default');
        const never = { ...definition, name: 'main-never' };
        const netns = await open();
        await failure(network.attach(request(never, netns), context()), 'NotFound', 'NetworkFailed');
        const lost = request(definition, t.netns());
        await failure(network.attach(lost, context()), 'NetworkFailed');
        expect((await observe()).attachments).toEqual([]);
        await network.detach(lost, context());
        expect((await observe()).attachments).toEqual([]);
      });

      test('does nothing when cancelled before', async () => {
        const wanted = request(await define('main', 'default'), await open());
        await failure(network.attach(wanted, cancelled()), 'Cancelled');
        expect((await observe()).attachments).toEqual([]);
      });
    });

    describe('detach', () => {
      test('twice, and of what was never attached', async () => {
        const wanted = request(await define('main', 'default'), await open());
        await network.detach(wanted, context());
        await network.attach(wanted, context());
        await network.detach(wanted, context());
        await network.detach(wanted, context());
        expect((await observe()).attachments).toEqual([]);
        await network.detach(request({ ...(await chosen('main', 'x')), name: 'main-never' }, t.netns()), context());
      });

      test('works without the namespace, which is seen to be lost', async () => {
        const definition = await define('main', 'default');
        const wanted = request(definition, await open());
        await network.attach(wanted, context());
        await t.loseNetns(wanted.netns);
        expect((await observe()).attachments).toMatchObject([{ attachmentId: wanted.attachmentId, present: false }]);
        await network.detach(wanted, context());
        expect((await observe()).attachments).toEqual([]);
        await network.open({ path: wanted.netns }, context());
        await network.attach(request(definition, wanted.netns), context());
        expect((await observe()).attachments).toMatchObject([{ present: true }]);
      });

      test('works without the conflist', async () => {
        const definition = await define('main', 'default');
        const wanted = request(definition, await open());
        await network.attach(wanted, context());
        await t.loseConflist(definition.name);
        await network.detach(wanted, context());
        expect((await observe()).attachments).toEqual([]);
      });
    });

    test('says what is there before it is defined, opened or attached', async () => {
      const definition = await chosen('main', 'default');
      const path = t.netns();
      const attach = request(definition, path);
      const isDefined = () => network.isThere('define', definition);
      const unmake = () => network.remove(definition, context());
      await saysWhatIsThere(isDefined, () => network.define(definition, context()), unmake);
      const isOpen = () => network.isThere('open', { path });
      await saysWhatIsThere(
        isOpen,
        () => network.open({ path }, context()),
        () => network.close({ path }, context()),
      );
      await define('main', 'default');
      await network.open({ path }, context());
      const isAttached = () => network.isThere('attach', attach);
      const detach = () => network.detach(attach, context());
      await saysWhatIsThere(isAttached, () => network.attach(attach, context()), detach);
      const other = await chosen('main', 'other');
      await t.foreignNetwork(other.name, '10.200.0.0/24');
      expect(await network.isThere('define', other)).toBe(false);
      expect(await network.isThere('remove', definition)).toBe(false);
    });

    test('explains its actions', () => {
      for (const text of ['plain', HOSTILE]) {
        const definition: NetworkDefinition = {
          realm: 'main',
          space: 'default',
          name: 'main-default',
          configPath: `/etc/${text}`,
          bridge: 'kuke-b',
          subnet: '10.88.0.0/16',
          gateway: '10.88.0.1',
        };
        const attach = request(definition, `/run/netns/${text}`);
        expectCommand(network.explain('define', definition));
        expectCommand(network.explain('remove', definition));
        expectCommand(network.explain('open', { path: attach.netns }));
        expectCommand(network.explain('close', { path: attach.netns }));
        expectCommand(network.explain('attach', attach));
        expectCommand(network.explain('detach', attach));
      }
    });
  });
}
