/** What kukeond tells whoever started it, systemd or `kuke init`: sd_notify(3), by a datagram to $NOTIFY_SOCKET. */
import { sendDatagram } from '../host/datagram.ts';

export interface Notifier {
  ready(): void;
  /** Until the next `ready`. */
  reloading(): void;
  stopping(): void;
  /** A line for `systemctl status`. */
  status(text: string): void;
  /** The event loop is not stuck; to be said every `watchdogMs`. */
  alive(): void;
  /** Half of what systemd waits before it takes the process for hung; undefined: nobody waits. */
  watchdogMs?: number;
}

/** Takes its variables out of `env`, so that no child speaks for us. Whoever cannot be told is done without. */
export function makeNotifier(
  env: Record<string, string | undefined> = process.env,
  send: (socket: string, text: string) => void = sendDatagram,
): Notifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: limit, WATCHDOG_PID: pid } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  const tell = (line: string): void => {
    if (!socket) return;
    try {
      send(socket, line);
    } catch {} // as sd_notify(3) advises: it changes nothing of what the service does
  };
  const isWatched = socket && limit !== undefined && (pid === undefined || Number(pid) === process.pid);
  const watchdogMs = isWatched ? Math.floor(Number(limit) / 2000) : Number.NaN;
  return {
    ready: () => tell('READY=1'),
    reloading: () => tell('RELOADING=1'),
    stopping: () => tell('STOPPING=1'),
    status: text => tell(`STATUS=${text.replaceAll('\n', ' ')}`),
    alive: () => tell('WATCHDOG=1'),
    ...(watchdogMs > 0 && { watchdogMs }),
  };
}
