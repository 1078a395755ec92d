/** podman with its own network backend, netavark: a pod, a container in it, and the pod's address. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { environment, FOLDER, fetched } from '../../test/host/clients/podman.ts';
import { dockerArchive } from '../../test/host/image.ts';
import { COMMAND, done, output, type Peer } from './peer.ts';

const IMAGE = 'docker.io/library/podman:1';
const NETWORK = 'bench';

export async function podman(): Promise<Peer> {
  const programs = await fetched();
  const env = environment(programs);
  const processes = (await output(['bash', '-c', 'ulimit -Hu'])).trim();
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(env.CONTAINERS_CONF, configuration(programs, processes));
  const places = `runroot = "${FOLDER}/run"\ngraphroot = "${FOLDER}/root"`;
  writeFileSync(env.CONTAINERS_STORAGE_CONF, `[storage]\ndriver = "overlay"\n${places}\n`);
  const run = (...args: string[]) => done(['podman', ...args], { env });
  writeFileSync(`${FOLDER}/image.tar`, dockerArchive({ name: IMAGE }));
  await run('load', '--quiet', '-i', `${FOLDER}/image.tar`);
  await run('network', 'create', '--disable-dns', '--subnet', '10.121.0.0/16', NETWORK);
  const infra = ['--infra-image', IMAGE, '--infra-command', '/bin/sleep 100000'];
  // In a box there is no controller for a cgroup of the pod.
  const create = ['pod', 'create', '--share-parent=false', '--network', NETWORK, ...infra];
  const start = (pod: string, name: string) => run('run', '--detach', '--pod', pod, '--name', name, IMAGE, ...COMMAND);
  return {
    name: 'podman',
    async up(pod) {
      await run(...create, '--infra-name', `${pod}-infra`, '--name', pod);
      await start(pod, `${pod}-first`);
      const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
      const address = await output(['podman', 'container', 'inspect', '--format', format, `${pod}-infra`], { env });
      if (!address.startsWith('10.121.')) throw new Error(`podman gave no address: ${address}`);
    },
    second: pod => start(pod, `${pod}-second`),
    down: pod => run('pod', 'rm', '--force', '--time', '0', pod),
    clear: pods => run('pod', 'rm', '--force', '--time', '0', ...pods),
  };
}

/** Limits are those of this process, since root in a box may not raise them, and hybrid cgroups know no limit of processes. */
const configuration = (programs: string, processes: string): string => `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=${processes}:${processes}"]
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
conmon_path = ["${programs}/usr/bin/conmon"]
helper_binaries_dir = ["${programs}/usr/lib/podman"]
[network]
network_backend = "netavark"
network_config_dir = "${FOLDER}/networks"
`;
