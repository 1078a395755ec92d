/** Signals by name and number, as in an image's STOPSIGNAL (signal(7)). */
import { constants } from 'node:os';
import { KukeError } from 'kuke/plugin';

export const SIGTERM = 15;
export const SIGKILL = 9;
export const SIGPIPE = 13;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** `SIGTERM`, `TERM`, `term`, `15` and `SIGRTMIN+3` as the kernel's number. Throws InvalidManifest for anything else. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = /^\d+$/.test(name) ? Number(name) : (realTime(name) ?? standard(name));
  if (number !== undefined && number >= 1 && number <= SIGRTMAX) return number;
  throw new KukeError('InvalidManifest', `${JSON.stringify(text)} is not a signal`, { remedy: 'see signal(7)' });
}

function standard(name: string): number | undefined {
  return Object.entries(constants.signals).find(([known]) => known === `SIG${name}`)?.[1];
}

function realTime(name: string): number | undefined {
  const [, base, offset = '0'] = /^(RTMIN|RTMAX)([+-]\d+)?$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  const number = (base === 'RTMIN' ? SIGRTMIN : SIGRTMAX) + Number(offset);
  return number >= SIGRTMIN ? number : undefined;
}
