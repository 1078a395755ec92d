/** Packets that are sent all the time while the rules are changed: not one gets from space to space. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { isolate, release } from '../../../plugins/cni-bridge/firewall.ts';
import { memberOf } from '../../../plugins/cni-bridge/isolation.ts';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { cleanHost, defined, INSTANCE, testBackend } from './backend.ts';
import { cell, type TestCell } from './packets.ts';

const { backend } = testBackend();
let home: NetworkDefinition;
let other: NetworkDefinition;
let attacker: TestCell;
let victim: TestCell;

const ROUNDS = 500;
const PORT = 4242;

beforeAll(async () => {
  home = await defined(backend, 'default');
  other = await defined(backend, 'other');
  attacker = await cell(backend, home, 'attacker');
  victim = await cell(backend, other, 'victim');
  await output(
    ...['ip', 'netns', 'exec', victim.name, 'nft'],
    `table inet watch {
      counter seen { }
      chain in { type filter hook prerouting priority -400; udp dport ${PORT} counter name seen; }
    }`,
  );
});
afterAll(cleanHost);

const arrived = async () =>
  Number(/packets (\d+)/.exec(await output('ip', 'netns', 'exec', victim.name, 'nft', 'list', 'counters'))?.[1]);

/** Sends while `run` runs; says how many packets were sent, and how many came through. */
async function during(run: () => Promise<void>): Promise<{ sent: number; leaked: number }> {
  const before = await arrived();
  const program = Bun.spawn(
    [
      ...['ip', 'netns', 'exec', attacker.name, process.execPath],
      ...[join(import.meta.dir, 'flood.ts'), victim.address, `${PORT}`],
    ],
    { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' },
  );
  const reader = program.stdout.getReader();
  let said = '';
  const hears = async (word: RegExp) => {
    while (!word.test(said)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the sender ended: ${said}`);
      said += Buffer.from(value).toString();
    }
    return word.exec(said)?.[1];
  };
  await hears(/ready/);
  await run();
  program.stdin.write('stop\n');
  await program.stdin.end();
  const sent = Number(await hears(/sent (\d+)\n/));
  await program.exited;
  return { sent, leaked: (await arrived()) - before };
}

/** What changes the rules while spaces are used: others come and go, somebody meddles, the host's own firewall changes its mind. */
const rounds: (() => Promise<unknown>)[] = [
  () => isolate(INSTANCE, memberOf({ ...home, name: 'main-third', bridge: 'kuke-third', subnet: '10.127.0.0/20' })),
  () => release(INSTANCE, 'main-third'),
  async () => {
    await output('nft', 'insert rule inet kukeon space_forward counter');
    await backend.define(home, context());
  },
  async () => {
    await output('nft', 'flush chain bridge kukeon space_frames');
    await backend.define(home, context());
  },
  async () => {
    await output('nft', `delete element inet kukeon space_masqueraded { ${home.subnet} }`);
    await backend.define(home, context());
  },
  async () => {
    await output('iptables', '-P', 'FORWARD', 'DROP');
    await backend.define(other, context());
    await output('iptables', '-P', 'FORWARD', 'ACCEPT');
    await backend.define(other, context());
  },
];

test(`through ${ROUNDS} reconciles and reloads nothing leaks`, async () => {
  const { sent, leaked } = await during(async () => {
    for (let round = 0; round < ROUNDS; round++) await rounds[round % rounds.length]?.();
  });
  expect(sent).toBeGreaterThan(ROUNDS);
  expect(leaked).toBe(0);
}, 180_000);

test('through rules that are flushed and filled again one by one, much does', async () => {
  const chain = await output('nft', '-s', 'list', 'chain', 'inet', 'kukeon', 'space_forward');
  const rules = chain.split('\n').filter(line => /accept|drop/.test(line) && !line.includes('policy'));
  expect(rules.length).toBeGreaterThan(3);
  await output('nft', 'flush', 'chain', 'bridge', 'kukeon', 'space_frames');
  const { leaked } = await during(async () => {
    for (let round = 0; round < 20; round++) {
      await output('nft', 'flush', 'chain', 'inet', 'kukeon', 'space_forward');
      for (const rule of rules) await output('nft', `add rule inet kukeon space_forward ${rule.trim()}`);
    }
  });
  expect(leaked).toBeGreaterThan(0);
  await backend.define(home, context());
  expect((await during(async () => void (await backend.define(other, context())))).leaked).toBe(0);
});
