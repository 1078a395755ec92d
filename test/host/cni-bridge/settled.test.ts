/** What an apply that changes nothing puts right besides: rules that the host's firewall needs no more, and those of executed plugins. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { output } from '../observe/command.ts';
import { cleanHost } from './backend.ts';
import { cellRef, cellYaml, kernelOnNetwork, results, type TestKernel } from './kernel.ts';

const SPACE = { kind: 'Space', path: ['main', 'default'] };
let kuke: TestKernel;
beforeAll(async () => {
  kuke = await kernelOnNetwork();
  await kuke.init();
  await kuke.apply(cellYaml('web'));
});
afterAll(cleanHost);

test.each(['iptables', 'iptables-legacy'])('marked rules of %s go once FORWARD drops no more', async program => {
  const marked = async () =>
    (await output(program, '-S', 'FORWARD')).split('\n').filter(line => line.includes('kukeon')).length;
  await output(program, '-P', 'FORWARD', 'DROP');
  expect(await kuke.statusOf(SPACE)).toMatchObject({ state: 'Failed' });
  expect(results(await kuke.apply(cellYaml('web')))).toEqual(['unchanged']);
  expect(await marked()).toBe(2);
  await output(program, '-P', 'FORWARD', 'ACCEPT');
  expect(await kuke.statusOf(SPACE)).toMatchObject({ state: 'Ready' });
  expect(await marked()).toBe(2);
  expect(results(await kuke.apply(cellYaml('web')))).toEqual(['unchanged']);
  expect(await marked()).toBe(0);
  expect(await kuke.statusOf(SPACE)).toMatchObject({ state: 'Ready' });
});

describe('ports that the reference portmap has published', () => {
  let exec: TestKernel;
  const publishing = cellYaml('port').replace('root: true', "root: true, ports: ['8081:80', '127.0.0.1:8082:80/udp']");
  const rules = async () => (await output('nft', 'list', 'table', 'ip', 'nat')).match(/dnat to 10\.88\.0\.\d+:80/g);
  const state = async () => ((await exec.statusOf(cellRef('port'))) as { state: string }).state;

  test.each([
    ['somebody’s `nft flush ruleset`', ['flush ruleset']],
    ['the loss of a rule that leads to them', ['flush chain ip nat CNI-HOSTPORT-DNAT']],
  ])('come back after %s, by the same implementation', async (_, commands) => {
    await cleanHost();
    exec = await kernelOnNetwork({ cniPlugins: 'exec' });
    await exec.init();
    expect(results(await exec.apply(publishing))).toEqual(['created']);
    expect([await rules(), await state()]).toEqual([[expect.any(String), expect.any(String)], 'Ready']);
    const entries = await output('nft', '-s', 'list', 'chain', 'ip', 'nat', 'CNI-HOSTPORT-DNAT');
    await output('nft', ...commands);
    expect(await state()).toBe('Degraded');
    expect(results(await exec.apply(publishing))).toEqual(['unchanged']);
    expect([await rules(), await state()]).toEqual([[expect.any(String), expect.any(String)], 'Ready']);
    expect(await output('nft', '-s', 'list', 'chain', 'ip', 'nat', 'CNI-HOSTPORT-DNAT')).toBe(entries);
  });
});
