/** What is said of rules that are gone, and of others' rules that stand in the way and are not ours to change. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { Finding } from '../../../src/kernel/extensible.ts';
import { output } from '../observe/command.ts';
import { CONFIG_PATH, cleanHost } from './backend.ts';
import { cellRef, cellYaml, kernelOnNetwork, results, type TestKernel } from './kernel.ts';

let kuke: TestKernel;
let owner: ReturnType<typeof Bun.spawn> | undefined;
beforeAll(async () => {
  kuke = await kernelOnNetwork();
});
afterEach(async () => {
  owner?.kill();
  await owner?.exited;
});
afterAll(cleanHost);

async function findings(): Promise<Finding[]> {
  const found: Finding[] = [];
  await kuke.kernel.hooks.call('doctor', { findings: found });
  return found;
}

test('a host without spaces has nothing to say', async () => {
  expect(await findings()).toEqual([]);
});

test('rules that somebody has flushed are named, with what puts them back, which does', async () => {
  await kuke.init();
  const [fine] = await findings();
  expect(fine).toEqual({ level: 'ok', code: 'Rules', what: 'the rules that keep 1 space apart are in the kernel' });
  await output('nft', 'flush', 'ruleset');
  expect(await findings()).toEqual([
    {
      level: 'error',
      code: 'RulesMissing',
      what: 'rules of the space main/default are missing or were changed',
      remedy: expect.stringContaining('kuke doctor --fix'),
      fix: expect.any(Function),
    },
  ]);
  await kuke.apply(cellYaml('web'));
  expect(await findings()).toEqual([fine as Finding]);
});

test.each([['flush chain inet kukeon published'], ['flush map inet kukeon ports']])(
  'ports that lead nowhere are named too: nft %s',
  async command => {
    const publishing = `${cellYaml('publishing').replace('root: true', "root: true, ports: ['8080:80']")}`;
    await kuke.apply(publishing);
    expect(await findings()).toEqual([{ level: 'ok', code: 'Rules', what: expect.any(String) }]);
    await output('nft', command);
    expect(await findings()).toEqual([
      {
        level: 'error',
        code: 'PortsMissing',
        what: 'rules by which cells of the space main/default publish ports are missing or were changed',
        remedy: expect.stringContaining('kuke doctor --fix'),
        fix: expect.any(Function),
      },
    ]);
    await kuke.apply(publishing);
    expect(await findings()).toEqual([{ level: 'ok', code: 'Rules', what: expect.any(String) }]);
    await kuke.remove(cellRef('publishing'));
  },
);

test('a chain that drops and that nobody else can change is told, with the rules that it should have', async () => {
  const nft = Bun.spawn(['nft', '-i'], { stdin: 'pipe', stdout: 'ignore', stderr: 'inherit' });
  owner = nft;
  nft.stdin.write(
    'add table inet theirs { flags owner; }; add chain inet theirs gate { type filter hook forward priority 10; policy drop; }\n',
  );
  await nft.stdin.flush();
  while (!(await output('nft', 'list', 'tables')).includes('theirs')) await Bun.sleep(10);
  await output(
    'nft',
    'add table bridge frames; add chain bridge frames gate { type filter hook forward priority 0; policy drop; }',
  );
  const says = [
    /chain gate of the nftables table inet theirs drops .* only the program .*`iifname "kuke-\w+" accept`, `oifname /,
    /chain gate of the nftables table bridge frames drops .*`meta ibrname "kuke-\w+" accept`$/,
  ].map(words => expect.stringMatching(words));
  expect((await findings()).map(({ level, what }) => [level, what])).toEqual([
    ['ok', expect.any(String)],
    ...says.map(what => ['warning', what]),
  ]);
  // Whoever attaches a cell hears of it, and gets the cell.
  kuke.notices.length = 0;
  expect(results(await kuke.apply(cellYaml('other')))).toEqual(['created']);
  expect(kuke.notices).toEqual(says);
  expect(await output('nft', 'list', 'chain', 'inet', 'theirs', 'gate')).not.toContain('kuke');
  // Whoever owns it has listened.
  const { bridge } = JSON.parse(readFileSync(`${CONFIG_PATH}/main-default.conflist`, 'utf8')).plugins[0];
  nft.stdin.write(`insert rule inet theirs gate iifname ${bridge} accept\n`);
  await nft.stdin.flush();
  while (!(await output('nft', 'list', 'ruleset')).includes(`iifname "${bridge}" accept`)) await Bun.sleep(10);
  expect((await findings()).map(({ what }) => what)).toEqual([expect.any(String), says[1]]);
});

test('a chain that drops and can be changed needs no word', async () => {
  await output(
    'nft',
    'flush ruleset; add table inet theirs; add chain inet theirs gate { type filter hook forward priority 10; policy drop; }',
  );
  expect((await findings()).map(({ level }) => level)).toEqual(['error']);
  await kuke.apply(cellYaml('third'));
  expect((await findings()).map(({ level }) => level)).toEqual(['ok']);
  expect(await output('nft', 'list', 'chain', 'inet', 'theirs', 'gate')).toContain('comment "kukeon ');
});
