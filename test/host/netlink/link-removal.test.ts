/** Links that are removed while other work goes on, alone and many together. */
import { beforeEach, expect, test } from 'bun:test';
import '../box.ts';
import { hasCode } from '../../../src/host/errno.ts';
import { removeLink } from '../../../src/host/netlink/link-removal.ts';
import { ip, ipJson, run } from './outside.ts';

interface Shown {
  ifname: string;
  ifindex: number;
  group: string;
}

const links = () => ipJson<Shown>('link').filter(({ ifname }) => ifname !== 'lo');
const names = () => links().map(({ ifname }) => ifname);

function made(...wanted: string[]): { name: string; index: number }[] {
  for (const name of wanted) ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `in-${name}`, 'netns', 'inside');
  return links()
    .filter(({ ifname }) => wanted.includes(ifname))
    .map(({ ifname: name, ifindex: index }) => ({ name, index }));
}

beforeEach(() => {
  for (const name of names()) ip('link', 'del', name);
  if (ipJson<{ name: string }>('netns').length > 0) run('ip', 'netns', 'del', 'inside');
  run('ip', 'netns', 'add', 'inside');
});

test('one, with its other end, and others stay', async () => {
  ip('link', 'add', 'stays', 'type', 'bridge');
  const [link] = made('goes');
  if (link === undefined) throw new Error('it was not made');
  await removeLink(link);
  expect(names()).toEqual(['stays']);
  expect(ipJson<Shown>('-n', 'inside', 'link').map(({ ifname }) => ifname)).toEqual(['lo']);
});

test('many that are asked for at once, and while others are removed', async () => {
  ip('link', 'add', 'stays', 'type', 'bridge');
  ip('link', 'add', 'grouped', 'group', '7', 'type', 'bridge');
  const going = made(...Array.from({ length: 12 }, (_, at) => `v${at}`));
  await Promise.all(going.map(removeLink));
  expect(names().toSorted()).toEqual(['grouped', 'stays']);
});

test('other work goes on meanwhile', async () => {
  const [link] = made('goes');
  if (link === undefined) throw new Error('it was not made');
  const order: string[] = [];
  const removal = removeLink(link).then(() => order.push('removed'));
  await Promise.resolve();
  order.push('other work');
  await removal;
  expect(order).toEqual(['other work', 'removed']);
});

test('one that is gone is an error for who asked for it, not for the others', async () => {
  const [first, second, third] = made('a1', 'a2', 'a3');
  if (first === undefined || second === undefined || third === undefined) throw new Error('they were not made');
  ip('link', 'del', 'a2');
  const ends = await Promise.allSettled([first, second, third].map(removeLink));
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(ends.map(end => end.status === 'rejected' && hasCode(end.reason, 'ENODEV'))).toEqual([false, true, false]);
  expect(names()).toEqual([]);
});

test('one alone that is gone', async () => {
  const [link] = made('b1');
  if (link === undefined) throw new Error('it was not made');
  ip('link', 'del', 'b1');
  expect(await removeLink(link).catch(error => hasCode(error, 'ENODEV'))).toBe(true);
  const [next] = made('b2');
  if (next === undefined) throw new Error('it was not made');
  await removeLink(next); // whoever comes after is served
  expect(names()).toEqual([]);
});
