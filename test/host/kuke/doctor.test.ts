/** `kuke doctor`: what it says of a host before and after it is set up, and of what others have taken away. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { output } from '../observe/command.ts';
import { cell } from './cells.ts';
import { apply, kuke, run } from './kuke.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

interface Finding {
  level: string;
  code: string;
  what: string;
  remedy?: string;
  fixable: boolean;
}

async function findings(): Promise<{ status: number | null; found: Finding[] }> {
  const { status, stdout } = await run(['doctor', '-o', 'json']);
  return { status, found: JSON.parse(stdout) };
}

test('a host that is not set up, without containerd', async () => {
  const { status, found } = await findings();
  expect(status).toBe(5);
  expect(found.filter(({ level }) => level === 'error')).toEqual([
    {
      level: 'error',
      code: 'RuntimeUnavailable',
      what: expect.stringContaining('containerd'),
      remedy: expect.stringContaining('kuke init'),
      fixable: false,
    },
  ]);
  expect(found[0]?.what).toContain('cgroup');
});

describe('on a host that is set up', () => {
  let host: ReadyHost;
  beforeAll(async () => {
    host = await readyHost();
  });
  afterAll(() => host.containerd.stop());

  test('a host on which all is well', async () => {
    await apply(cell('web'));
    const { status, found } = await findings();
    expect({ status, errors: found.filter(({ level }) => level === 'error') }).toEqual({ status: 0, errors: [] });
    const well = found.filter(({ level }) => level === 'ok').map(({ what }) => what);
    expect(well.join('\n')).toMatch(/containerd \d+\.\d+\.\d+.* answers at .*containerd\.sock/);
    expect(well.join('\n')).toContain('the rules that keep 1 space apart are in the kernel');
  });

  test('rules that somebody has flushed are named, until the next command puts them back', async () => {
    await output('nft', 'flush', 'ruleset');
    const { status, stdout } = await run(['doctor']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^error +rules of the space main\/default are missing or were changed\n +the next command/m);
    await kuke('create', 'stack', 'more');
    expect((await findings()).status).toBe(0);
  });
});
