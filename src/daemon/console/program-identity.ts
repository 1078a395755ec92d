/** Which kuke this is, as a daemon tells it from others: copies of one build are the same, wherever they lie. */
import { statSync } from 'node:fs';

/** Put in by build.ts; not there where it runs from its sources. */
declare const KUKE_BUILD: string | undefined;

let file: string | undefined;

/** Compared for equality alone, and only so that nobody gets an old kuke's behaviour unawares: a client may claim what it likes. */
export function programIdentity(): string {
  if (typeof KUKE_BUILD === 'string') return KUKE_BUILD;
  if (file !== undefined) return file;
  const { dev, ino } = statSync('/proc/self/exe');
  file = `${dev}:${ino}`; // once, since it may be replaced
  return file;
}
