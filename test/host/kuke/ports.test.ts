// containerd: once, since ports are the network's alone.
/** Published ports of cells: from the host, from outside, from other cells, and what becomes of them (spec.md §3). */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { eventually } from '../../suites/contract.ts';
import { makeOutside, UPLINK, UPLINK6 } from '../cni-bridge/packets.ts';
import { output } from '../observe/command.ts';
import { addressesOf, cell, container, getCell, manifest, pidsOf, shell } from './cells.ts';
import { apply, applyFailing, kuke } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

let host: ReadyHost;

beforeAll(async () => {
  await makeOutside();
  host = await readyHost();
});
afterEach(async () => {
  await removeCells();
  // What FORWARD was given while its policy was to drop stays as long as the space does.
  expect((await leaks(host.before)).filter(line => !line.includes('nft ip filter rule FORWARD'))).toEqual([]);
});
afterAll(() => host.containerd.stop());

const web = (ports: string[], fields = {}) =>
  shell('web', 'httpd -p 80 -h /srv; trap "exit 0" TERM; sleep 100000 & wait', { ports, ...fields });
const page = 'from the image\n';

/** What a page gets, once the server of a cell listens; nothing where it stays unreachable. */
async function fetched(from: string | undefined, url: string, patience = 5000): Promise<string | undefined> {
  const inside = from === undefined ? [] : ['ip', 'netns', 'exec', from];
  const once = async () => {
    const child = Bun.spawn([...inside, 'curl', '--silent', '--max-time', '1', '--globoff', url], { stdout: 'pipe' });
    const [text, status] = await Promise.all([child.stdout.text(), child.exited]);
    return status === 0 ? text : undefined;
  };
  return eventually(once, patience).catch(() => undefined);
}
const netnsOf = async (name: string, ...flags: string[]) =>
  (await output('ip', 'netns', 'identify', `${Object.values(await pidsOf(name, ...flags))[0]}`)).trim();

describe('a published port', () => {
  test('answers on every address of the host, from everywhere', async () => {
    await apply(cell('web', [web(['8080:80'])]), cell('beside'));
    for (const [from, url] of [
      [undefined, 'http://127.0.0.1:8080/file'],
      [undefined, `http://${UPLINK}:8080/file`],
      ['outside', `http://${UPLINK}:8080/file`],
      [await netnsOf('beside'), 'http://10.88.0.1:8080/file'],
      [await netnsOf('web'), 'http://10.88.0.1:8080/file'],
    ] as const) {
      expect({ from, url, got: await fetched(from, url) }).toEqual({ from, url, got: page });
    }
    const { status } = await getCell('web');
    expect(status.attachments).toMatchObject([{ ports: ['8080:80'] }]);
    expect(await kuke('get', 'cell', 'web', '-o', 'wide')).toContain('8080:80');
  });

  test('answers where the host’s FORWARD drops', async () => {
    await output('iptables', '-P', 'FORWARD', 'DROP');
    await apply(cell('web', [web(['8080:80'])]));
    expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
    expect(await fetched(undefined, 'http://127.0.0.1:8080/file')).toBe(page);
    await output('iptables', '-P', 'FORWARD', 'ACCEPT');
  });

  test('on one address answers there alone', async () => {
    await apply(cell('web', [web([`${UPLINK}:8080:80`])]));
    expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
    expect(await fetched(undefined, 'http://127.0.0.1:8080/file', 300)).toBeUndefined();
  });

  test('over IPv6 as well, where the space has it', async () => {
    await apply(
      manifest('Space', 'six', { network: { ipv6: true } }),
      manifest('Stack', 'default', { spaceId: 'six' }),
      cell('web6', [web(['8080:80'])], { spaceId: 'six' }),
    );
    expect(await fetched('outside', `http://[${UPLINK6}]:8080/file`)).toBe(page);
    expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
    await kuke('delete', 'space', 'six', '--cascade');
  });

  test('of another space is out of reach for cells', async () => {
    await apply(
      manifest('Space', 'other'),
      manifest('Stack', 'default', { spaceId: 'other' }),
      cell('far', [container('main')], { spaceId: 'other' }),
      cell('web', [web(['8080:80'])]),
    );
    const far = await netnsOf('far', '--space', 'other');
    expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
    for (const address of [UPLINK, '10.88.0.1', '10.89.0.1']) {
      expect(await fetched(far, `http://${address}:8080/file`, 300)).toBeUndefined();
    }
    await kuke('delete', 'space', 'other', '--cascade');
  });
});

test('ports come, change and go while the cell runs, which keeps its address and its processes', async () => {
  await apply(cell('web', [web([])]));
  const [address, pids] = [await addressesOf('web'), await pidsOf('web')];
  expect(await apply(cell('web', [web(['8080:80'])]))).toContain('spec.containers[web].ports: [] → ["8080:80"]');
  expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
  await apply(cell('web', [web(['8081:80'])]));
  expect(await fetched('outside', `http://${UPLINK}:8081/file`)).toBe(page);
  expect(await fetched('outside', `http://${UPLINK}:8080/file`, 300)).toBeUndefined();
  expect([await addressesOf('web'), await pidsOf('web')]).toEqual([address, pids]);
  expect(await apply(cell('web', [web(['8081:80'])]))).toContain('web unchanged');
  await apply(cell('web', [web([])]));
  expect(await fetched('outside', `http://${UPLINK}:8081/file`, 300)).toBeUndefined();
});

test('a port of the host leads to one cell; the second is refused, with whose it is, and leaves nothing', async () => {
  await apply(cell('web', [web(['8080:80'])]));
  const refused = await applyFailing(4, cell('second', [web(['8080:80'])]));
  expect(refused).toContain('port 8080:80 of the host is published by cell main/default/default/web');
  expect(await kuke('get', 'cells', '-o', 'name')).toBe('cell/web\n');
  expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
  await kuke('delete', 'cell', 'web', '--cascade');
  await apply(cell('second', [web(['8080:80'])]));
  expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
});

test('rules that somebody took away are missed by get, and put back by the next command, an unchanged apply too', async () => {
  const web8080 = cell('web', [web(['8080:80'])]);
  await apply(web8080);
  const address = await addressesOf('web');
  for (const loss of [
    ['flush', 'ruleset'],
    ['flush', 'map', 'inet', 'kukeon', 'ports'],
    ['flush', 'chain', 'inet', 'kukeon', 'space_forward'],
  ]) {
    await output('nft', ...loss);
    expect(await kuke('get', 'cells')).toMatch(/web +Degraded/);
    expect((await getCell('web')).status).toMatchObject({ reason: 'RulesMissing' });
    expect(await apply(web8080)).toContain('web unchanged');
    expect(await kuke('get', 'cells')).toMatch(/web +Ready/);
    expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
  }
  expect(await addressesOf('web')).toEqual(address);
});

test('a stopped cell publishes nothing, a started one does again', async () => {
  await apply(cell('web', [web(['8080:80'])]));
  await kuke('stop', 'cell', 'web');
  expect(await fetched('outside', `http://${UPLINK}:8080/file`, 300)).toBeUndefined();
  await kuke('start', 'cell', 'web');
  expect(await fetched('outside', `http://${UPLINK}:8080/file`)).toBe(page);
});
