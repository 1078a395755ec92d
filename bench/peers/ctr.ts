/** What a person types without kuke: a network namespace, a CNI plugin that gives it an address, and containers in it by ctr. */
import { writeFileSync } from 'node:fs';
import { dockerArchive } from '../../test/host/image.ts';
import { REFERENCE } from '../lab.ts';
import { COMMAND, done, output, type Peer } from './peer.ts';

const NAMESPACE = 'bench';
const IMAGE = 'docker.io/library/ctr:1';

const NETWORK = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'ctr',
  type: 'bridge',
  bridge: 'ctr0',
  isGateway: true,
  ipMasq: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.120.0.0/16' }]], routes: [{ dst: '0.0.0.0/0' }] },
});

const netns = (pod: string) => `/run/netns/ctr-${pod}`;

function cni(command: 'ADD' | 'DEL', pod: string): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    CNI_COMMAND: command,
    CNI_CONTAINERID: `ctr-${pod}`,
    CNI_NETNS: netns(pod),
    CNI_IFNAME: 'eth0',
    CNI_PATH: REFERENCE,
  };
  return output([`${REFERENCE}/bridge`], { stdin: NETWORK, env });
}

const ctr = (...args: string[]) => done(['ctr', '--namespace', NAMESPACE, ...args]);

// A box has no controller for the cpu shares that it asks for by itself.
const start = (pod: string, id: string) =>
  ctr('run', '--detach', '--cpu-shares', '0', '--with-ns', `network:${netns(pod)}`, IMAGE, id, ...COMMAND);

/** containerd runs. */
export async function ctrWithCni(): Promise<Peer> {
  writeFileSync('/run/ctr.tar', dockerArchive({ name: IMAGE }));
  await ctr('images', 'import', '/run/ctr.tar');
  return {
    name: 'netns + CNI + ctr',
    async up(pod) {
      await done(['ip', 'netns', 'add', `ctr-${pod}`]);
      await cni('ADD', pod);
      await start(pod, pod);
    },
    second: pod => start(pod, `${pod}-second`),
    async down(pod) {
      await ctr('tasks', 'rm', '--force', pod);
      await ctr('containers', 'rm', pod);
      await cni('DEL', pod);
      await done(['ip', 'netns', 'del', `ctr-${pod}`]);
    },
    async clear(pods) {
      const ids = (await output(['ctr', '--namespace', NAMESPACE, 'containers', 'ls', '--quiet']))
        .split('\n')
        .filter(Boolean);
      const all = ids.filter(id => pods.some(pod => id === pod || id === `${pod}-second`));
      await ctr('tasks', 'rm', '--force', ...all);
      await ctr('containers', 'rm', ...all);
      await Promise.all(pods.map(pod => cni('DEL', pod)));
      const batch = pods.map(pod => `netns del ctr-${pod}\n`).join('');
      await output(['ip', '-batch', '-'], { stdin: batch });
    },
  };
}
