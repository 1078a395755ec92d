/** Attachments that are asked for by their id, for the status of one cell: what others have is not looked at. */
import { afterEach, expect, test } from 'bun:test';
import { context } from '../../suites/contract.ts';
import { CONFIG_PATH, cleanHost, defined, testBackend } from './backend.ts';

afterEach(cleanHost);

test('are the same as among all of them; none are given where none are asked for', async () => {
  const { backend } = testBackend();
  const { name } = await defined(backend, 'blog');
  for (const cell of ['aa', 'ab']) {
    const netns = `/run/netns/kuke-${cell}`;
    await backend.open({ path: netns }, context());
    const request = { name, configPath: CONFIG_PATH, netns, interface: 'eth0', attachmentId: `${cell}-1` };
    await backend.attach(request, context());
  }
  const observed = async (attachments?: string | false) =>
    (await backend.observe({ configPaths: [CONFIG_PATH], ...(attachments !== undefined && { attachments }) }))
      .attachments;
  const all = await observed();
  expect(all.map(({ attachmentId, present }) => [attachmentId, present])).toEqual([
    ['aa-1', true],
    ['ab-1', true],
  ]);
  expect(await observed('ab-')).toEqual(all.slice(1));
  expect(await observed('b-')).toEqual([]);
  expect(await observed(false)).toEqual([]);
});
