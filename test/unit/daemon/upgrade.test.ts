/** Connections that become something else than HTTP: what was made for them goes with them, and what is asked in a wrong way is told so. */
import { expect, test } from 'bun:test';
import { readdirSync, readlinkSync } from 'node:fs';
import { addImage } from '../../fakes/index.ts';
import { eventually } from '../../suites/contract.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { serverOnFakes } from './server-on-fakes.ts';

const EXEC =
  '/v1beta1/realms/main/spaces/default/stacks/default/cells/web/exec?command=sh&command=-c&command=sleep%201000';
const upgrading = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: kuke-exec\r\nContent-Length: 0\r\n\r\n`;

/** Ends of pipes that this process has open. */
const pipes = (): number =>
  readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('pipe:');
    } catch {
      return false;
    }
  }).length;

test('a connection that is gone before its process has been started leaves nothing behind', async () => {
  const [reached, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using api = await serverOnFakes({
    async audit({ request }) {
      if (!request.includes('exec')) return;
      reached.resolve();
      await held.promise;
    },
  });
  const namespace = api.on.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  await api.on.apply(cellYaml('web'));
  const before = pipes();
  const client = await api.open();
  client.write(upgrading(EXEC));
  await reached.promise;
  expect(pipes()).toBeGreaterThan(before);
  await api.server.stop(0);
  await eventually(async () => api.server.counts().connections === 0 || undefined);
  client.destroy();
  held.resolve();
  await eventually(async () => pipes() === before || undefined, 3000);
});

test.each([1e9, -1, 0.5])('a terminal cannot become %d columns wide', async columns => {
  await using api = await serverOnFakes();
  const namespace = api.on.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'busybox', cmd: ['sleep', '1000'] });
  await api.on.apply(cellYaml('web'));
  const message = Buffer.from(JSON.stringify({ type: 'resize', columns, rows: 1 }));
  const head = Buffer.alloc(9);
  head.writeUInt32BE(message.length + 5);
  head.writeUInt8(5, 4);
  const client = await api.open();
  const isOver = new Promise(resolve => client.once('end', resolve));
  client.resume();
  client.write(upgrading(`${EXEC}&tty=true`));
  client.write(Buffer.concat([head, message]));
  await isOver;
  client.destroy();
});

test.each(['//[', '//v1beta1/exec', '/%'])('a path such as %s is no fault of the server’s', async path => {
  await using api = await serverOnFakes();
  const [upgraded, plain] = [await api.raw(upgrading(path)), await api.ask('POST', '/none')];
  expect([upgraded.slice(0, 12), plain.status]).toEqual(['HTTP/1.1 400', 404]);
  expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
});
