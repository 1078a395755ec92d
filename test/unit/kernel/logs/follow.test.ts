import { afterEach, beforeEach, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { follow } from '../../../../src/kernel/logs/follow.ts';
import { eventually } from '../../../suites/contract.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-follow-'));
  path = join(folder, 'log');
  writeFileSync(path, '');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('looks at once, at each change, and a last time at the end; never twice at a time, and not after it', async () => {
  const end = Promise.withResolvers<void>();
  const seen: string[] = [];
  let atOnce = 0;
  const pull = async () => {
    expect(++atOnce).toBe(1);
    seen.push(readFileSync(path, 'utf8'));
    await Bun.sleep(1);
    atOnce--;
    return true;
  };
  const following = follow([path], pull, end.promise);
  const last = () => seen.at(-1);
  await eventually(async () => (seen.length > 0 ? true : undefined));
  for (let line = 0; line < 50; line++) appendFileSync(path, 'x');
  await eventually(async () => (last() === 'x'.repeat(50) ? true : undefined));
  appendFileSync(path, 'y');
  end.resolve();
  await following;
  expect(last()).toBe(`${'x'.repeat(50)}y`);
  const { length } = seen;
  appendFileSync(path, 'z');
  await Bun.sleep(50);
  expect(seen).toHaveLength(length);
});

test('ends when nobody wants more, and with the reason of who failed', async () => {
  const never = new Promise<void>(() => {});
  await follow([path], async () => false, never);
  const failing = async () => {
    throw new Error('no space');
  };
  await expect(follow([path], failing, never)).rejects.toThrow('no space');
  await expect(follow([path], async () => true, Promise.reject(new Error('gone')))).rejects.toThrow('gone');
});

test('without a folder there is nothing to wait for but the end', async () => {
  let pulls = 0;
  await follow([join(folder, 'no/such/log')], async () => pulls++ >= 0, Promise.resolve());
  expect(pulls).toBeGreaterThan(0);
});
