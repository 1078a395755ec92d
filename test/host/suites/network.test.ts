/** The network suite on cni-bridge, with the built-in CNI plugins, and with Debian's. */
import { existsSync, writeFileSync } from 'node:fs';
import { type NetworkUnderTest, networkSuite } from '../../suites/network.ts';
import { CONFIG_PATH, cleanHost, testBackend } from '../cni-bridge/backend.ts';
import { output } from '../observe/command.ts';
import { networkNamespaces } from '../observe/network.ts';

const conflist = (name: string) => `${CONFIG_PATH}/${name}.conflist`;

for (const cniPlugins of ['built-in', 'exec'] as const)
  networkSuite(`cni-bridge, ${cniPlugins}`, () => underTest(cniPlugins));

async function underTest(cniPlugins: 'built-in' | 'exec'): Promise<NetworkUnderTest> {
  let serial = 0;
  return {
    backend: testBackend({ config: { cniPlugins } }).backend,
    configPath: CONFIG_PATH,
    netns: () => `/run/netns/kuke-suite${++serial}`,
    foreignNetwork: async (name, subnet) => {
      const plugin = { type: 'bridge', bridge: 'cni0', ipam: { type: 'host-local', ranges: [[{ subnet }]] } };
      writeFileSync(conflist(name), JSON.stringify({ cniVersion: '1.0.0', name, plugins: [plugin] }));
    },
    hasConflist: async name => existsSync(conflist(name)),
    loseConflist: async name => void (await output('rm', conflist(name))),
    foreignNetns: async path => void (await output('ip', 'netns', 'add', path.replace('/run/netns/', ''))),
    hasNetns: async path => (await networkNamespaces()).includes(path.replace('/run/netns/', '')),
    loseNetns: async path => void (await output('ip', 'netns', 'delete', path.replace('/run/netns/', ''))),
    useRange: async subnet => {
      await output('ip', 'link', 'add', 'used', 'type', 'bridge');
      await output('ip', 'addr', 'add', subnet.replace(/\.0\//, '.7/'), 'dev', 'used');
    },
    cleanup: cleanHost,
  };
}
