import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conflistOf, conflistPath, readNetworks } from '../../../plugins/cni-bridge/space-network.ts';
import { parseNetworkConfig } from '../../../src/cni/config.ts';
import { formatConflist } from '../../../src/cni/conflist.ts';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { networkDefinition } from '../../../src/kernel/backends/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'kuke-conflists-'));
afterAll(() => rmSync(folder, { recursive: true }));

const definition: NetworkDefinition = {
  realm: 'main',
  space: 'default',
  name: 'main-default',
  configPath: folder,
  bridge: 'kuke-x',
  subnet: '10.88.0.0/16',
  gateway: '10.88.0.1',
};
const write = (name: string, document: unknown) => writeFileSync(join(folder, name), JSON.stringify(document));
const ours = (change: object = {}) => ({ ...conflistOf(definition, 'me'), ...change });

test('a conflist is plain CNI 1.0.0, the same bytes each time, and can be read back', async () => {
  const text = formatConflist(conflistOf(definition, 'me'));
  expect(text).toBe(`{
  "cniVersion": "1.0.0",
  "name": "main-default",
  "kukeon": {
    "instance": "me",
    "realm": "main",
    "space": "default"
  },
  "plugins": [
    {
      "type": "bridge",
      "bridge": "kuke-x",
      "capabilities": {
        "ips": true
      },
      "hairpinMode": true,
      "ipMasq": true,
      "ipam": {
        "type": "host-local",
        "ranges": [
          [
            {
              "gateway": "10.88.0.1",
              "subnet": "10.88.0.0/16"
            }
          ]
        ],
        "routes": [
          {
            "dst": "0.0.0.0/0"
          }
        ]
      },
      "isGateway": true
    },
    {
      "type": "portmap",
      "capabilities": {
        "portMappings": true
      }
    }
  ]
}
`);
  expect(parseNetworkConfig(JSON.parse(text))).toMatchObject({
    plugins: [{ type: 'bridge', ipam: 'host-local' }, { type: 'portmap' }],
  });
  writeFileSync(conflistPath(definition), text);
  const { spaces, foreign, broken } = await readNetworks([folder, folder]);
  expect([spaces.map(networkDefinition), foreign, broken]).toEqual([[definition], [], []]);
  expect(spaces[0]).toMatchObject({ instance: 'me', gateways: ['10.88.0.1'], path: conflistPath(definition) });
});

describe('what is no network of a space', () => {
  const cases: [string, string, unknown, object][] = [
    ['no marker', 'other.conflist', { ...ours({ name: 'other' }), kukeon: undefined }, { ranges: ['10.88.0.0/16'] }],
    ['a marker of no use', 'other.conflist', ours({ name: 'other', kukeon: 'me' }), { ranges: ['10.88.0.0/16'] }],
    ['a copy under another name', 'copy.conflist', ours(), { fault: expect.stringContaining('differ') }],
    ['the marker and no bridge', 'none.conflist', ours({ name: 'none', plugins: [{ type: 'ptp' }] }), { ranges: [] }],
  ];
  test.each(cases)('%s', async (_, name, document, expected) => {
    write(name, document);
    const { spaces, foreign } = await readNetworks([folder]);
    expect(spaces.map(network => network.name)).not.toContain(name.replace('.conflist', ''));
    expect(foreign).toMatchObject([{ path: join(folder, name), ...expected }]);
    rmSync(join(folder, name));
  });

  test('ranges are read from every form that host-local takes', async () => {
    const ipam = (json: object) => ({ type: 'bridge', ipam: { type: 'host-local', ...json } });
    write('forms.conflist', {
      cniVersion: '1.0.0',
      name: 'forms',
      plugins: [
        ipam({ subnet: '10.1.2.3/24' }),
        ipam({
          ranges: [
            [{ subnet: '10.2.0.0/24' }, { subnet: '10.3.0.0/24', gateway: '10.3.0.9' }],
            [{ subnet: 'fd00::/64' }],
          ],
        }),
        ipam({ ranges: 'none' }),
        { type: 'portmap' },
      ],
    });
    const { foreign } = await readNetworks([folder]);
    expect(foreign[0]?.ranges).toEqual(['10.1.2.0/24', '10.2.0.0/24', '10.3.0.0/24', 'fd00::/64']);
    rmSync(join(folder, 'forms.conflist'));
  });

  test('a broken file is told with its place, and the others are read', async () => {
    writeFileSync(join(folder, 'torn.conflist'), '{\n "name": ');
    const { spaces, broken } = await readNetworks([folder]);
    expect(spaces).toHaveLength(1);
    expect(broken.map(({ path }) => path)).toEqual([join(folder, 'torn.conflist')]);
  });

  test('a folder that is not there is an empty one', async () => {
    expect(await readNetworks(['/nowhere'])).toEqual({ spaces: [], foreign: [], broken: [] });
  });
});
