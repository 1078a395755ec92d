/** What nobody catches ends kukeond with a failure, by which its unit starts it again, and is told with its cause. */
import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const daemon = join(import.meta.dir, '../../../src/daemon');

/** kukeond as a process of its own, with one part, which does this in a callback once all is ready. */
async function ended(callback: string): Promise<{ status: number; lines: { level: string; error?: object }[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'kuke-uncaught-'));
  const script = `
    import { daemonPlaces } from ${JSON.stringify(join(daemon, '../kernel/daemon-places.ts'))};
    import { serve } from ${JSON.stringify(join(daemon, 'serve.ts'))};
    const at = ${JSON.stringify(folder)};
    const places = { ...daemonPlaces('/opt/kukeon'), pidFile: at + '/pid', socket: at + '/sock' };
    const part = async () => {
      setTimeout(${callback}, 1);
      return { name: 'a part', stop: async () => {} };
    };
    await serve({ places, runPath: at, version: '0', settings: async () => ({ logLevel: 'info' }), engine: {} }, [part]);
  `;
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'ignore', stderr: 'pipe' });
  const [said, status] = await Promise.all([child.stderr.text(), child.exited]);
  rmSync(folder, { recursive: true });
  return {
    status,
    lines: said
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
  };
}

test('an exception in a callback', async () => {
  const { status, lines } = await ended("() => { throw new Error('outer', { cause: new TypeError('inner') }); }");
  expect(status).toBe(1);
  expect(lines.at(-1)).toMatchObject({
    level: 'error',
    message: 'an error that nobody has caught ends kukeond',
    error: { message: 'outer', stack: expect.stringContaining('Error: outer'), cause: { message: 'inner' } },
  });
});

test('a rejection that nobody waits for', async () => {
  const { status, lines } = await ended("() => { void Promise.reject(new Error('late')); }");
  expect(status).toBe(1);
  expect(lines.at(-1)).toMatchObject({ level: 'error', error: { message: 'late' } });
});
