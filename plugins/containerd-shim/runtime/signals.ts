/** Signals as containerd takes them. */
import { KukeError, signalNumber as numberOf } from 'kuke/plugin';

export const SIGTERM = 15;
export const SIGKILL = 9;
export const SIGPIPE = 13;

/** Throws InvalidManifest for what is none. */
export function signalNumber(text: string): number {
  const number = numberOf(text);
  if (number !== undefined) return number;
  throw new KukeError('InvalidManifest', `${JSON.stringify(text)} is not a signal`, { remedy: 'see signal(7)' });
}
