/** The `ctr` commands that a person would type for what the runtime does. */
import {
  type ContainerConfig,
  type ContainerMount,
  type ContainerParams,
  explainWith,
  type RuntimeActions,
  type StopParams,
  shellCommand,
} from 'kuke/plugin';
import { INSTANCE } from '../labels.ts';

export const explain = explainWith<RuntimeActions>({
  // The installation's id is not known before `kuke init` has run.
  createNamespace: ({ namespace }) =>
    `${shellCommand('ctr', 'namespaces', 'create', namespace)} ${INSTANCE}="$KUKE_INSTANCE"`,
  removeNamespace: ({ namespace }) => shellCommand('ctr', 'namespaces', 'remove', namespace),
  create: config =>
    ctr(config, 'containers', 'create', ...createFlags(config), config.image, config.id, ...commandOf(config)),
  start: params => ctr(params, 'tasks', 'start', '--detach', params.id),
  stop: stopCommands,
  remove: params =>
    [ctr(params, 'tasks', 'rm', '--force', params.id), ctr(params, 'containers', 'rm', params.id)].join('\n'),
});

function ctr({ namespace }: { namespace: string }, ...words: string[]): string {
  return shellCommand('ctr', '-n', namespace, ...words);
}

function stopCommands(params: StopParams): string {
  const kill = (signal: string) => ctr(params, 'tasks', 'kill', '--signal', signal, params.id);
  if (params.timeoutMs === 0) return kill('SIGKILL');
  const wait = `timeout ${Math.ceil(params.timeoutMs / 1000)} ${waitFor(params)}`;
  return `${kill(params.signal ?? 'SIGTERM')}\n${wait} || ${kill('SIGKILL')}`;
}

/** `ctr` cannot wait for a task that it did not start. */
function waitFor(params: ContainerParams): string {
  const running = `${ctr(params, 'tasks', 'ls')} | grep -q "^"${shellCommand(params.id)}" .*RUNNING"`;
  return `sh -c ${shellCommand(`while ${running}; do sleep 0.1; done`)}`;
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
    ...['--hostname', config.hostname],
    ...['--cgroup', `/${config.cgroup}`],
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
