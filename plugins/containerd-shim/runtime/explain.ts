/** The `ctr` commands that a person would type for what the runtime does. */
import {
  type ContainerConfig,
  type ContainerMount,
  explainWith,
  type RuntimeActions,
  type StopParams,
  shellCommand,
} from 'kuke/plugin';
import { INSTANCE } from '../labels.ts';

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
    ctr(config, 'containers', 'create', ...createFlags(config), '--', config.image, config.id, ...commandOf(config)),
  clear: params => ctr(params, 'tasks', 'rm', params.id),
  start: params => ctr(params, 'tasks', 'start', '--detach', params.id),
  stop: stopCommands,
  remove: params =>
    [ctr(params, 'tasks', 'rm', '--force', params.id), ctr(params, 'containers', 'rm', params.id)].join('\n'),
});

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
  return `${kill(params.signal ?? 'SIGTERM')}\ntimeout ${seconds} ${wait} || ${kill('SIGKILL')}`;
}

function createFlags(config: ContainerConfig): string[] {
  const { capabilities, netns } = config;
  return [
    ...Object.entries(config.labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
    ...['--annotation', `io.containerd.runc.v2.group=${config.group}`],
    ...[...config.defaultEnv, ...config.env].flatMap(entry => ['--env', entry]),
    ...(config.workingDir === undefined ? [] : ['--cwd', config.workingDir]),
    ...(config.user === undefined ? [] : ['--user', config.user]),
    ...config.mounts.flatMap(mount => ['--mount', mountFlag(mount)]),
    ...config.devices.flatMap(device => ['--device', device]),
    ...capabilities.add.flatMap(name => ['--cap-add', name]),
    ...capabilities.drop.flatMap(name => ['--cap-drop', name]),
    ...(config.privileged ? ['--privileged'] : ['--seccomp']),
    ...(config.readOnlyRootFilesystem ? ['--read-only'] : []),
    ...(config.securityOpts.includes('no-new-privileges') ? [] : ['--allow-new-privs']),
    ...(netns === undefined ? ['--net-host'] : ['--with-ns', `network:${netns}`]),
  ];
}

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
