import { afterAll } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory for one test file, removed after its last test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'host-test-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
