/** The `ctr` commands that a person would type for what the runtime does. */
import {
  CAPABILITY_NAMES,
  type ContainerConfig,
  type ContainerMount,
  type ContainerParams,
  explainWith,
  normaliseName,
  type RuntimeActions,
  type StopParams,
  shellCommand,
  shellQuote,
} from 'kuke/plugin';
import { CONFIGURATION, GROUP, INSTANCE, LOG_PATH, STDIN } from '../labels.ts';
import { boundingSet } from '../oci/capabilities.ts';
import { digestOf } from './configuration.ts';

/** With flags that ctr has had since 1.6, which sets neither host name nor cgroup nor OCI runtime, but for `--user`, which came with 1.7. */
export const explain = explainWith<RuntimeActions>({
  // The installation's id is not known before `kuke init` has run.
  createNamespace: ({ namespace }) =>
    `${shellCommand('ctr', 'namespaces', 'create', namespace)} ${INSTANCE}="$KUKE_INSTANCE"`,
  removeNamespace: ({ namespace }) => {
    const images = ctr({ namespace }, 'images', 'ls', '--quiet');
    const remove = ctr({ namespace }, 'images', 'rm', '--sync');
    return `${images} | xargs -r ${remove}\n${shellCommand('ctr', 'namespaces', 'rm', namespace)}`;
  },
  create: config =>
    // `--`, or ctr takes a `-c` of the command for its own; ctr 1.6 does so even then.
    [
      ctr(config, 'containers', 'create', ...createFlags(config)),
      ...[INSTANCE_FLAG, shellCommand('--', normaliseName(config.image), config.id, ...commandOf(config))],
    ].join(' '),
  clear: params => ctr(params, 'tasks', 'rm', params.id),
  start: startCommands,
  stop: stopCommands,
  remove: params => {
    const hasTask = `${ctr(params, 'tasks', 'ls', '--quiet')} | ${shellCommand('grep', '-qxF', params.id)}`;
    return [
      `! ${hasTask} || ${ctr(params, 'tasks', 'rm', '--force', params.id)}`,
      ctr(params, 'containers', 'rm', params.id),
    ].join('\n');
  },
});

/** Whose it is: on the container, and on its writable layer. */
const INSTANCE_FLAG = ['--label', '--snapshotter-label'].map(flag => `${flag} ${INSTANCE}="$KUKE_INSTANCE"`).join(' ');

/** ctr puts the process where it likes; what is started in the cgroup of its own by kuke stays there. */
function startCommands(params: ContainerParams): string {
  const pid = `${ctr(params, 'tasks', 'ls')} | ${shellCommand('awk', '-v', `id=${params.id}`, '$1 == id { print $2 }')}`;
  return [
    `info=$(${ctr(params, 'containers', 'info', params.id)})`,
    `log=$(printf %s "$info" | jq -r ${shellQuote(`.Labels["${LOG_PATH}"] // "/dev/null"`)})`,
    `cgroup=$(printf %s "$info" | jq -r ${shellQuote(`.Spec.annotations["${CGROUP}"] // .Spec.linux.cgroupsPath`)})`,
    'mkdir -p "$(dirname "$log")"',
    // To one with a terminal ctr gives the one that it has itself, which script(1) keeps a log of.
    `if printf %s "$info" | jq -e .Spec.process.terminal > /dev/null`,
    `then script -qaf -c ${shellQuote(ctr(params, 'tasks', 'start', params.id))} "$log"`,
    `else ${ctr(params, 'tasks', 'start', '--detach', '--log-uri')} "file://$log" ${shellQuote(params.id)}`,
    'fi',
    'group="$(findmnt -nt cgroup2 -o TARGET | head -1)/${cgroup#/}"',
    `! [ -d "$group" ] || ${pid} > "$group/cgroup.procs"`,
  ].join('\n');
}

/** An annotation, for what ctr cannot say. */
const CGROUP = 'kukeon.io/cgroup';

function ctr({ namespace }: { namespace: string }, ...words: string[]): string {
  return shellCommand('ctr', '-n', namespace, ...words);
}

/** `ctr` cannot wait for a task that it did not start. */
function stopCommands(params: StopParams): string {
  const kill = (signal: string) => ctr(params, 'tasks', 'kill', '--signal', signal, params.id);
  if (params.timeoutMs === 0) return kill('SIGKILL');
  const runs = `${ctr(params, 'tasks', 'ls')} | ${shellCommand('grep', '-q', `^${params.id} .*RUNNING`)}`;
  const wait = shellCommand('sh', '-c', `while ${runs}; do sleep 0.1; done`);
  const seconds = Math.ceil(params.timeoutMs / 1000);
  return `${kill(params.signal ?? 'SIGTERM')}\ntimeout ${seconds} ${wait} || { ${kill('SIGKILL')}; ${wait}; }`;
}

function createFlags(config: ContainerConfig): string[] {
  const { netns } = config;
  return [
    ...Object.entries(labelsOf(config)).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
    ...['--annotation', `io.containerd.runc.v2.group=${config.group}`],
    ...['--annotation', `${CGROUP}=${config.cgroup}`],
    ...[...config.defaultEnv, ...config.env].flatMap(entry => ['--env', entry]),
    ...(config.workingDir === undefined ? [] : ['--cwd', config.workingDir]),
    ...(config.user === undefined ? [] : ['--user', config.user]),
    ...config.mounts.flatMap(mount => ['--mount', mountFlag(mount)]),
    ...config.devices.flatMap(device => ['--device', device]),
    ...capabilityFlags(config),
    ...(config.privileged ? ['--privileged'] : ['--seccomp']),
    ...(config.terminal ? ['--tty'] : []),
    ...(config.readOnlyRootFilesystem ? ['--read-only'] : []),
    ...(config.securityOpts.includes('no-new-privileges') ? [] : ['--allow-new-privs']),
    ...(netns === undefined ? ['--net-host'] : ['--with-ns', `network:${netns}`]),
  ];
}

const labelsOf = (config: ContainerConfig): Record<string, string> => ({
  ...config.labels,
  [CONFIGURATION]: digestOf(config),
  [GROUP]: config.group,
  [LOG_PATH]: config.logPath,
  ...(config.stdin !== undefined && { [STDIN]: config.stdin }),
});

/** ctr adds first and drops then, by full names alone. */
function capabilityFlags({ capabilities: { add, drop } }: ContainerConfig): string[] {
  const full = (name: string) => `CAP_${name.toUpperCase().replace(/^CAP_/, '')}`;
  const all = CAPABILITY_NAMES.map(full);
  const mayHave = boundingSet('self');
  const named = (names: readonly string[]) => [
    ...new Set(names.map(full).flatMap(name => (name === ALL ? all : [name]))),
  ];
  const added = named(add).filter(name => mayHave.has(name));
  const dropped = named(drop).filter(name => !add.map(full).includes(name));
  return [...added.flatMap(name => ['--cap-add', name]), ...dropped.flatMap(name => ['--cap-drop', name])];
}

const ALL = 'CAP_ALL';

function mountFlag({ kind, source, target, readOnly, sizeBytes, mode }: ContainerMount): string {
  const options = [
    ...(kind === 'bind' ? ['rbind'] : []),
    readOnly === true ? 'ro' : 'rw',
    ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
  ];
  return `type=${kind},src=${source ?? 'tmpfs'},dst=${target},options=${options.join(':')}`;
}

const commandOf = ({ command = [], args = [] }: ContainerConfig) => [...command, ...args];
