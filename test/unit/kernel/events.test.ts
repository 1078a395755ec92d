/** The file of events: bounded, read on as it grows, and of an installation that is there. */
import { afterAll, expect, test } from 'bun:test';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSources } from '../../../src/kernel/event-sources/sources.ts';
import { appendEvent, eventFiles } from '../../../src/kernel/events.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-events-'));
afterAll(() => rmSync(top, { recursive: true }));

const AUDIT = join(top, 'audit.jsonl');
const at = (second: number) => `2026-11-22T01:00:0${second}.000Z`;
const event = (second: number, what: string, message?: string) => ({
  at: at(second),
  resource: 'cell main/default/default/web',
  what,
  ...(message !== undefined && { message }),
});

function fresh(name: string): string {
  mkdirSync(join(top, name, '.kuke'), { recursive: true });
  return join(top, name);
}

test('where there is no installation nothing is made', () => {
  appendEvent(join(top, 'none'), event(1, 'died'));
  expect(existsSync(join(top, 'none'))).toBeFalse();
});

test('both files are read by time, and on as they grow; what is cut off is read once it is whole', async () => {
  const runPath = fresh('both');
  const resources = [{ resource: 'cell main/default/default/web', result: 'created' }];
  const created = JSON.stringify({ at: at(1), command: 'kuke apply', result: 'done', resources });
  appendFileSync(AUDIT, `${created.slice(0, 20)}\n${created}\n`);
  appendEvent(runPath, event(3, 'restarted'));
  appendEvent(runPath, event(2, 'died'));
  using sources = openSources(AUDIT, runPath);
  const pulled = async () => (await sources.pull()).map(({ what }) => what);
  expect(await pulled()).toEqual(['created', 'died', 'restarted']);
  expect(await pulled()).toEqual([]);
  appendFileSync(AUDIT, created.slice(0, 30));
  expect(await pulled()).toEqual([]);
  appendFileSync(AUDIT, `${created.slice(30)}\n`);
  expect(await pulled()).toEqual(['created']);
});

test('others have their turn while much is read; of that, what is meant, and the last of it', async () => {
  const runPath = fresh('much');
  const [, current = ''] = eventFiles(runPath);
  const lines = Array.from({ length: 20_000 }, (_, index) => JSON.stringify(event(1, `e${index}`)));
  appendFileSync(current, `${lines.join('\n')}\n`);
  using sources = openSources(join(top, 'no-audit'), runPath);
  let turns = 0;
  const count = setInterval(() => turns++, 0);
  const pulled = await sources.pull({ isMeant: ({ what }) => /[05]$/.test(what), last: 3 });
  clearInterval(count);
  expect(turns).toBeGreaterThan(2);
  expect(pulled.map(({ what }) => what).toSorted()).toEqual(['e19985', 'e19990', 'e19995']);
  expect(await sources.pull({ last: 0 })).toEqual([]);
  using others = openSources(join(top, 'no-audit'), runPath);
  expect(await others.pull({ signal: AbortSignal.abort() })).toEqual([]);
});

test('it is bounded, for root alone, and followed to the next file', async () => {
  const runPath = fresh('bounded');
  const [older = '', current = ''] = eventFiles(runPath);
  appendEvent(runPath, event(1, 'first'));
  expect(statSync(current).mode & 0o777).toBe(0o600);
  using sources = openSources(join(top, 'no-audit'), runPath);
  expect(await sources.pull()).toHaveLength(1);
  const long = 'x'.repeat(1 << 20);
  for (let count = 0; count < 9; count++) appendEvent(runPath, event(2, 'died', long));
  appendEvent(runPath, event(3, 'last'));
  expect(statSync(older).size).toBeLessThan(6 << 20);
  expect(existsSync(`${current}.2`)).toBeFalse();
  expect((await sources.pull()).at(-1)?.what).toBe('last');
  using again = openSources(join(top, 'no-audit'), runPath);
  expect((await again.pull()).map(({ what }) => what)).not.toContain('first');
});
