/** The earlier parts of a log, in files beside it: `main.log.0000000010485760` begins with that byte of all that was ever written. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../errno.ts';

export interface Piece {
  path: string;
  start: number;
  /** Of the byte after its last. */
  end: number;
}

const DIGITS = 16;

export const piecePath = (log: string, start: number): string => `${log}.${String(start).padStart(DIGITS, '0')}`;

/** The oldest first. */
export function piecesOf(log: string): Piece[] {
  return named(log, `\\d{${DIGITS}}`).flatMap(path => {
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    const start = Number(path.slice(-DIGITS));
    return size === undefined ? [] : [{ path, start, end: start + size }];
  });
}

/** Of a rotation that was cut off. */
export const unfinishedPieces = (log: string): string[] => named(log, `\\d{${DIGITS}}\\.new`);

function named(log: string, pattern: string): string[] {
  const prefix = `${basename(log)}.`;
  const matches = new RegExp(`^${pattern}$`);
  const folder = dirname(log);
  return namesIn(folder)
    .filter(name => name.startsWith(prefix) && matches.test(name.slice(prefix.length)))
    .sort()
    .map(name => join(folder, name));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
