/** The service that this very program is, with the settings that the command line was given. */
import { type DaemonPlaces, DEFAULT_RUN_PATH, daemonPlaces } from '../../kernel/daemon-places.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Invocation } from '../command.ts';
import type { Service } from './door.ts';

export const placesOf = ({ globals }: Pick<Invocation, 'globals'>): DaemonPlaces => daemonPlaces(globals.runPath);

/** What the daemon is started with: this program, and what of its settings is not in the configuration file that it reads itself. */
export function ownService(invocation: Pick<Invocation, 'globals'>): Service {
  const { runPath, containerdSocket, configPath } = invocation.globals;
  const flags = [
    ...(runPath === DEFAULT_RUN_PATH ? [] : ['--run-path', runPath]),
    ...(containerdSocket === '/run/containerd/containerd.sock' ? [] : ['--containerd-socket', containerdSocket]),
    ...(configPath === undefined ? [] : ['--config', configPath]),
  ];
  return { places: placesOf(invocation), command: [...program(), 'daemon', 'serve', ...flags] };
}

/** Uncompiled, it is Bun with the main file. */
function program(): string[] {
  return import.meta.path.startsWith('/$bunfs/') ? [process.execPath] : [process.execPath, Bun.main];
}

/** Of one that is to be looked at, or ended. */
export function notRunning(): KukeError {
  return new KukeError('NotFound', 'kukeond does not run', { remedy: 'start it: `sudo kuke daemon start`' });
}

/** Of one that is needed. */
export function notAnswering(message: string): KukeError {
  const remedy = 'start it with `sudo kuke daemon start`; who is not root has to be in the group kukeon';
  return new KukeError('HostNotReady', message, { remedy });
}
