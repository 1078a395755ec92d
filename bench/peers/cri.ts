/** containerd's CRI plugin, asked as a kubelet asks it: over one connection that is open already. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connectCri, untilInitialized } from '../../test/host/clients/cri.ts';
import { CONFLISTS } from '../../test/host/clients/cri-host.ts';
import { IMAGE } from '../../test/host/clients/web.ts';
import { COMMAND, type Peer } from './peer.ts';

export const NETWORK = {
  cniVersion: '1.0.0',
  name: 'cri',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cri0',
      isGateway: true,
      ipMasq: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.122.0.0/16' }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
  ],
};

/** The same network as the others have, in place of that of the tests of CRI. */
export function writeNetwork(): void {
  mkdirSync(CONFLISTS, { recursive: true });
  writeFileSync(`${CONFLISTS}/10-pods.conflist`, JSON.stringify(NETWORK));
}

/** containerd runs with CRI, on `writeNetwork()`. */
export async function cri(socket: string): Promise<Peer> {
  const client = connectCri(socket);
  await untilInitialized(client);
  const sandboxes = new Map<string, string>();
  const sandboxConfig = (pod: string) => ({
    metadata: { name: pod, uid: pod, namespace: 'default', attempt: 0 },
    hostname: pod,
  });
  const sandboxOf = (pod: string) => sandboxes.get(pod) ?? '';
  const start = async (pod: string, name: string) => {
    const config = { metadata: { name, attempt: 0 }, image: { image: IMAGE }, command: COMMAND };
    const request = { podSandboxId: sandboxOf(pod), config, sandboxConfig: sandboxConfig(pod) };
    const { containerId } = await client.createContainer(request);
    await client.startContainer({ containerId });
  };
  const down = async (pod: string) => {
    await client.stopPodSandbox({ podSandboxId: sandboxOf(pod) });
    await client.removePodSandbox({ podSandboxId: sandboxOf(pod) });
  };
  return {
    name: 'containerd’s CRI',
    async up(pod) {
      const { podSandboxId } = await client.runPodSandbox({ config: sandboxConfig(pod) });
      sandboxes.set(pod, podSandboxId);
      await start(pod, 'first');
      const { status } = await client.podSandboxStatus({ podSandboxId });
      if (!status?.network?.ip.startsWith('10.122.')) throw new Error(`CRI gave no address: ${status?.network?.ip}`);
    },
    second: pod => start(pod, 'second'),
    down,
    async clear(pods) {
      await Promise.all(pods.map(down));
    },
  };
}
