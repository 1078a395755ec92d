/** podman with CNI as its network backend, on a folder of plugins. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { output } from '../observe/command.ts';
import { type Ended, ended } from './command.ts';
import { REFERENCE } from './plugins.ts';
import { reboot } from './reboot.ts';
import { IMAGE, untilServing, writeImage } from './web.ts';

export const FOLDER = '/run/podman-test';

/** As Debian's /usr/lib/tmpfiles.d/podman.conf says, a boot empties one folder on disk too. */
export async function rebootPodman(bridges: string[]): Promise<void> {
  await reboot({ monitor: 'conmon', folders: ['podman-test/run', 'libpod', 'runc'], bridges });
  rmSync('/dev/shm/libpod_lock');
  rmSync('/var/lib/cni/networks', { recursive: true });
}

export interface Podman {
  /** Standard output of `podman ARGS`, trimmed; rejects with its standard error when it fails. */
  (...args: string[]): Promise<string>;
  /** How it ended, whatever way. */
  run(...args: string[]): Promise<Ended>;
}

export async function startPodman(plugins: string): Promise<Podman> {
  const programs = await fetched();
  const env = environment(programs);
  const limit = (await output('bash', '-c', 'ulimit -Hu')).trim();
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(env.CONTAINERS_CONF, configuration(programs, plugins, limit));
  writeFileSync(
    env.CONTAINERS_STORAGE_CONF,
    `[storage]\ndriver = "vfs"\nrunroot = "${FOLDER}/run"\ngraphroot = "${FOLDER}/root"\n`,
  );
  const run = (...args: string[]) => ended(['podman', ...args], env);
  const podman = async (...args: string[]) => {
    const { status, stdout, stderr } = await run(...args);
    if (status !== 0) throw new Error(`podman ${args.join(' ')}: exit status ${status}: ${stderr.trim()}`);
    return stdout.trim();
  };
  await writeImage(`${FOLDER}/web.tar`);
  await podman('load', '--quiet', '-i', `${FOLDER}/web.tar`);
  // Makes cgroups and files that podman keeps.
  await podman('run', '--rm', '--network', 'none', IMAGE, 'true');
  return Object.assign(podman, { run });
}

/** The folder with podman's packages, and its defaults where podman looks for them. */
export async function fetched(): Promise<string> {
  const { status, stdout, stderr } = await ended(['test/fetch-podman.sh']);
  if (status !== 0) throw new Error(`run test/fetch-podman.sh outside of a box first: ${stderr.trim()}`);
  const folder = stdout.trim();
  if (!existsSync('/etc/containers/policy.json')) {
    cpSync(join(folder, 'etc/containers'), '/etc/containers', { recursive: true });
  }
  return folder;
}

export function environment(programs: string) {
  const { PATH, HOME } = process.env;
  const multiarch = readdirSync(join(programs, 'usr/lib')).filter(name => name.endsWith('-linux-gnu'));
  const libraries = multiarch.flatMap(name => [join(programs, 'usr/lib', name), join(programs, 'lib', name)]);
  return {
    PATH: `${programs}/usr/bin:${PATH}`,
    HOME,
    LD_LIBRARY_PATH: libraries.join(':'),
    CONTAINERS_CONF: `${FOLDER}/containers.conf`,
    CONTAINERS_STORAGE_CONF: `${FOLDER}/storage.conf`,
  };
}

/** Limits are those of this process, since root in a box may not raise them, and hybrid cgroups know no limit of processes. */
function configuration(programs: string, plugins: string, processes: string): string {
  // podman's own networks name the plugin tuning too, which is the reference's in any case.
  return `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=${processes}:${processes}"]
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
conmon_path = ["${programs}/usr/bin/conmon"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["${plugins}", "${REFERENCE}"]
`;
}

/** A pod with a web server. */
export async function runPod(podman: Podman, name: string, ...options: string[]): Promise<void> {
  const pause = ['--infra-image', IMAGE, '--infra-command', '/pause'];
  // In a box there is no controller for a cgroup of the pod.
  await podman('pod', 'create', '--share-parent=false', '--name', name, ...pause, ...options);
  await podman('run', '-d', '--pod', name, '--name', `${name}-web`, IMAGE, '/serve');
}

/** What podman knows of a pod's interface on a network. */
export interface Attached {
  /** Id of the container that is attached. */
  id: string;
  v4: string;
  v6: string;
  /** Name of the namespace. */
  netns: string;
}

interface Inspected {
  Id: string;
  NetworkSettings: {
    SandboxKey: string;
    Networks: Record<string, { IPAddress: string; GlobalIPv6Address: string } | undefined>;
  };
}

/** Of a pod that runs, once its server answers. */
export async function attached(podman: Podman, pod: string, network: string): Promise<Attached> {
  const { InfraContainerID } = JSON.parse(await podman('pod', 'inspect', pod)) as { InfraContainerID: string };
  const [{ Id: id, NetworkSettings } = unknown(pod)] = JSON.parse(
    await podman('container', 'inspect', InfraContainerID),
  ) as Inspected[];
  const { IPAddress: v4, GlobalIPv6Address: v6 } = NetworkSettings.Networks[network] ?? unknown(pod);
  const netns = basename(NetworkSettings.SandboxKey);
  await untilServing(netns);
  return { id, v4, v6, netns };
}

function unknown(pod: string): never {
  throw new Error(`podman knows nothing of pod ${pod} there`);
}
