import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_RUN_PATH, daemonPlaces } from '../../../src/kernel/daemon-places.ts';
import { runPathTag } from '../../../src/kernel/run-path-tag.ts';

test('a run path has one daemon, however it is written, also before it is there', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kuke-places-')));
  try {
    symlinkSync(folder, join(folder, 'link'));
    const own = join(folder, 'kuke');
    const socket = `/run/kukeon/kukeond-${runPathTag(own)}.sock`;
    const written = [own, `${own}/`, join(folder, 'link', 'kuke'), `${folder}//link/../kuke`];
    expect(written.map(path => daemonPlaces(path).socket)).toEqual(written.map(() => socket));
    mkdirSync(own);
    expect(written.map(path => daemonPlaces(path).socket)).toEqual(written.map(() => socket));
    expect(daemonPlaces(`${DEFAULT_RUN_PATH}/.`).socket).toBe('/run/kukeon/kukeond.sock');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
