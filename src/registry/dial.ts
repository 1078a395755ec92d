/** Whether a host takes connections, found out in less time than fetch would take (`dial_timeout` of hosts.toml). */
import { RegistryError } from './errors.ts';

/** Throws RegistryError `unreachable` after `timeout` milliseconds, or the signal's reason. Other failures are left to the request that follows. */
export async function connects(url: URL, timeout: number, signal: AbortSignal): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<'late' | 'called off'>();
  const timer = setTimeout(() => resolve('late'), timeout);
  const callOff = () => resolve('called off');
  signal.addEventListener('abort', callOff);
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const dialled = Bun.connect({
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    socket: { data() {}, error() {} },
  }).then(
    socket => socket.terminate(),
    () => undefined,
  );
  const first = await Promise.race([dialled, ended]);
  clearTimeout(timer);
  signal.removeEventListener('abort', callOff);
  signal.throwIfAborted();
  if (first === 'late') {
    throw new RegistryError('unreachable', `no connection within ${timeout / 1000} s (dial_timeout)`, {
      transient: true,
    });
  }
}
