import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncFilesystem } from '../../../src/host/sync-filesystem.ts';

for (const [how, ...program] of [['by the program'], ['in this process', null]] as const) {
  test(`a file system is synced ${how}; one that is not there is told`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sync-'));
    try {
      await syncFilesystem(folder, ...program);
      await syncFilesystem(undefined, ...program);
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(syncFilesystem(folder, ...program)).rejects.toThrow(/no such file or directory/i);
  });
}
