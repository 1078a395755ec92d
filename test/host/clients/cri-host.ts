/** A containerd that serves CRI, with a network `pods` of both families. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { type Containerd, startContainerd } from '../containerd.ts';
import { ctr } from '../observe/containerd.ts';
import { type Cri, connectCri, untilInitialized } from './cri.ts';
import { IMAGE, writeImage } from './web.ts';

export const CONFLISTS = '/run/cri-net.d';
/** Of what kuke's plugins are called for. */
export const LOG = '/run/cni.log';

export const BRIDGE = 'pods0';

const ipam = {
  type: 'host-local',
  ranges: [[{ subnet: '10.99.0.0/24' }], [{ subnet: 'fd00:99::/64' }]],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
};
// The reference plugins know no log.
const log = { logFile: LOG, logLevel: 'info' };
const conflist = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    { type: 'bridge', bridge: BRIDGE, isGateway: true, ipMasq: true, hairpinMode: true, ipam, ...log },
    { type: 'portmap', capabilities: { portMappings: true }, ...log },
    { type: 'firewall', ...log },
  ],
};

/** The image and the network, once a host; containerd does not run afterwards. */
export async function prepare(): Promise<void> {
  await using _ = await startContainerd();
  await writeImage('/run/web.tar');
  await ctr('k8s.io', ['images', 'import', '/run/web.tar']);
  // Makes folders that containerd keeps.
  await ctr('k8s.io', ['run', '--rm', '--cpu-shares', '0', IMAGE, 'warm', 'true']);
  mkdirSync(CONFLISTS);
  writeFileSync(`${CONFLISTS}/10-pods.conflist`, JSON.stringify(conflist));
}

export async function startCri(plugins: string): Promise<{ containerd: Containerd; cri: Cri }> {
  const containerd = await startContainerd({ cri: true, config: criConfig(plugins) });
  const cri = connectCri(containerd.address);
  await untilInitialized(cri);
  return { containerd, cri };
}

const RUNC = '/run/runc-without-limits';

/** containerd's configuration of CRI for a box, where there are no controllers to set a limit with, and no score may be lowered. */
function criConfig(plugins: string): string {
  const takeOut = `sed -i 's/"cpu":{[^}]*}/"cpu":{}/' "$each/config.json"`;
  const script = `for each; do [ "$option" != --bundle ] || ${takeOut}; option=$each; done; exec runc "$@"`;
  writeFileSync(RUNC, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const table = 'plugins."io.containerd.grpc.v1.cri"';
  return `[${table}]
sandbox_image = "${IMAGE}"
restrict_oom_score_adj = true
[${table}.cni]
bin_dir = "${plugins}"
conf_dir = "${CONFLISTS}"
[${table}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
options = { BinaryName = "${RUNC}" }
`;
}
