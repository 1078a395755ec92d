import { makeHost } from '../../fakes/index.ts';
import { fakeNetwork } from '../../fakes/network.ts';
import { networkSuite } from '../../suites/network.ts';

networkSuite('the fake network', async () => {
  const host = makeHost();
  const configPath = '/etc/cni/net.d';
  let serial = 0;
  return {
    backend: fakeNetwork(host),
    configPath,
    netns: () => `/run/netns/kuke-${++serial}`,
    foreignNetwork: async (name, subnet) => {
      const bridge = 'cni0';
      const network = { realm: '', space: '', name, configPath, bridge, subnet, gateway: '' };
      host.networks.set(name, { ...network, ours: false, bridgeExists: false, enforced: false });
    },
    hasConflist: async name => host.networks.has(name),
    loseConflist: async name => {
      host.networks.delete(name);
    },
    foreignNetns: async path => {
      host.netns.set(path, false);
    },
    hasNetns: async path => host.netns.has(path),
    loseNetns: async path => {
      host.netns.delete(path);
    },
    useRange: async subnet => {
      host.usedRanges.add(subnet);
    },
    cleanup: async () => {},
  };
});
