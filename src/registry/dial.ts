/** Whether a host takes connections, found out in less time than fetch would take (`dial_timeout` of hosts.toml). */
import { RegistryError } from './errors.ts';

/** Throws RegistryError `unreachable` after `timeout` milliseconds. Other failures are left to the request that follows. */
export async function connects(url: URL, timeout: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), timeout);
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const dialled = Bun.connect({
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    socket: { data() {}, error() {} },
  }).then(
    socket => socket.terminate(),
    () => undefined,
  );
  const first = await Promise.race([dialled, late]);
  clearTimeout(timer);
  if (first === 'late') {
    throw new RegistryError('unreachable', `no connection within ${timeout / 1000} s (dial_timeout)`, {
      transient: true,
    });
  }
}
