/** What an apply that changes nothing puts right besides: rules of ours that are not needed any more where the host's firewall has changed. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { output } from '../observe/command.ts';
import { cleanHost } from './backend.ts';
import { cellYaml, kernelOnNetwork, results, type TestKernel } from './kernel.ts';

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
