/** One containerd for all that use it, with CRI, as Debian's package sets it up; and everybody who runs pods here. */
import { prepare, startCri } from '../test/host/clients/cri-host.ts';
import { REFERENCE } from './lab.ts';
import { cri, writeNetwork } from './peers/cri.ts';
import { ctrWithCni } from './peers/ctr.ts';
import { type DaemonPeer, type KukePeer, kuke, throughKukeond } from './peers/kuke.ts';
import type { Peer } from './peers/peer.ts';
import { podman } from './peers/podman.ts';
import { runc } from './peers/runc.ts';

export interface PodLab extends AsyncDisposable {
  kuke: KukePeer;
  through: DaemonPeer;
  runc: Peer;
  ctr: Peer;
  podman: Peer;
  cri: Peer;
}

export async function podLab(): Promise<PodLab> {
  await prepare();
  writeNetwork();
  const { containerd, cri: client } = await startCri(REFERENCE);
  client[Symbol.dispose]();
  const local = await kuke();
  const through = await throughKukeond();
  return {
    kuke: local,
    through,
    runc: await runc(),
    ctr: await ctrWithCni(),
    podman: await podman(),
    cri: await cri(containerd.address),
    async [Symbol.asyncDispose]() {
      await through[Symbol.asyncDispose]();
      await containerd.stop();
    },
  };
}
