/** Signals by name and number, as in an image's STOPSIGNAL and in manifests (signal(7)). */
import { constants } from 'node:os';

const SIGRTMIN = 34;
const SIGRTMAX = 64;

export const SIGNAL_NAMES: readonly string[] = Object.keys(constants.signals);

/** `SIGTERM`, `TERM`, `term`, `15` and `SIGRTMIN+3` as the kernel's number; undefined for anything else. */
export function signalNumber(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = /^\d+$/.test(name) ? Number(name) : (realTime(name) ?? standard(name));
  return number !== undefined && number >= 1 && number <= SIGRTMAX ? number : undefined;
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
