/** The client under load, and when containerd goes away: what Bun's own HTTP/2 client does not survive (see http2/). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createHash, randomFillSync } from 'node:crypto';
import { chmodSync, readdirSync } from 'node:fs';
import {
  type Client,
  ConnectError,
  connect,
  isGrpcError,
  isUnavailable,
  readBlob,
  subscribe,
  upload,
} from '../../../plugins/containerd-shim/client/index.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';

const NAMESPACE = 'load';
const DEBUG = '/run/containerd/debug.sock';
const LABELS = { 'containerd.io/gc.root': '2026-01-01T00:00:00Z' };

let containerd: Containerd;
let client: Client;
beforeAll(async () => {
  containerd = await startContainerd({ config: `[debug]\naddress = "${DEBUG}"` });
  client = connect({ socket: containerd.address }).with({ namespace: NAMESPACE });
  await client.namespaces.create({ namespace: { name: NAMESPACE } });
});
afterAll(async () => {
  client.close();
  await containerd.stop();
});

const ctr = (...args: string[]) => output('ctr', '-n', NAMESPACE, ...args);
const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const random = (size: number) => randomFillSync(new Uint8Array(size));

/** Runs `work` until it has been started `count` times, 16 at a time. */
async function sixteenAtOnce(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

/** How often a function stands in the stacks of containerd's goroutines. */
async function goroutinesIn(what: string): Promise<number> {
  const response = await fetch('http://containerd/debug/pprof/goroutine?debug=2', { unix: DEBUG });
  return (await response.text()).split('\n\n').filter(stack => stack.includes(what)).length;
}

const connectionsOf = (path: string) => output('ss', '-xH', 'src', path).then(lines => lines.trim().split('\n').length);

describe('blobs', () => {
  test('8 uploads side by side, in messages of 4 MB', async () => {
    const blobs = Array.from({ length: 8 }, () => random(12_000_000));
    await Promise.all(
      blobs.map(async (bytes, i) => {
        // The bare protocol, for messages larger than the ones that `upload` sends.
        const { send, end, answers } = await client.content.write();
        const ref = `parallel-${i}`;
        const expected = digestOf(bytes);
        await send({ action: 'STAT', ref, total: bytes.length, expected });
        for (let offset = 0; offset < bytes.length; offset += 4_000_000) {
          await send({ action: 'WRITE', ref, offset, data: bytes.subarray(offset, offset + 4_000_000) });
        }
        await send({ action: 'COMMIT', ref, offset: bytes.length, total: bytes.length, expected, labels: LABELS });
        await end();
        const actions = new Set((await Array.fromAsync(answers)).map(({ action }) => action));
        expect([...actions]).toEqual(['STAT', 'WRITE', 'COMMIT']);
      }),
    );
    const listed = await ctr('content', 'ls', '-q');
    for (const bytes of blobs) {
      const digest = digestOf(bytes);
      expect(listed).toContain(digest);
      expect(
        await output(
          'sha256sum',
          `${containerd.root}/io.containerd.content.v1.content/blobs/sha256/${digest.slice(7)}`,
        ),
      ).toStartWith(digest.slice(7));
      await client.content.delete({ digest });
    }
    expect(await ctr('content', 'active')).not.toContain('parallel');
  });

  test('50 MB up and down again, with a slow reader beside it', async () => {
    const bytes = random(50_000_000);
    const digest = digestOf(bytes);
    const request = { ref: 'large', digest, size: bytes.length, labels: LABELS };
    expect(await upload(client.content, request, offset => [bytes.subarray(offset)])).toBe('uploaded');
    const before = process.memoryUsage().rss;
    // One that takes a piece and then stops: its stream fills up, the connection does not.
    const slow = client.content.read({ digest });
    expect((await slow.next()).done).toBe(false);
    for (let i = 0; i < 3; i++) {
      const hash = createHash('sha256');
      for await (const { data } of client.content.read({ digest })) hash.update(data);
      expect(`sha256:${hash.digest('hex')}`).toBe(digest);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
    await slow.return();
    expect(Buffer.compare(await readBlob(client.content, digest, { limit: 60_000_000 }), bytes)).toBe(0);
    await client.content.delete({ digest });
  });

  test('many small ones at once', async () => {
    const blobs = Array.from({ length: 100 }, () => random(3_000));
    await sixteenAtOnce(blobs.length, async i => {
      const bytes = blobs[i] ?? random(1);
      const digest = digestOf(bytes);
      await upload(client.content, { ref: digest, digest, size: bytes.length, labels: LABELS }, () => [bytes]);
      expect(Buffer.compare(await readBlob(client.content, digest), bytes)).toBe(0);
    });
    expect((await ctr('content', 'ls', '-q')).trim().split('\n')).toHaveLength(100);
    await sixteenAtOnce(blobs.length, i => client.content.delete({ digest: digestOf(blobs[i] ?? random(1)) }));
    expect((await ctr('content', 'ls', '-q')).trim()).toBe('');
  });
});

test('2,000 calls, 16 at once, on one connection; answers are not mixed up', async () => {
  await sixteenAtOnce(2_000, async i => {
    const id = `lease-${i}`;
    const lease = await client.leases.create({ id, labels: { number: String(i) } });
    expect(lease).toMatchObject({ id, labels: { number: String(i) } });
    const failure = await client.images.get({ name: `image-${i}` }).catch(error => error);
    expect(failure.message).toBe(`image "image-${i}": not found`);
    await client.leases.delete({ id });
  });
  expect(await client.leases.list({})).toEqual([]);
  expect((await ctr('leases', 'ls', '-q')).trim()).toBe('');
  // Those of ctr may still be closing; ours is the one that stays.
  while ((await connectionsOf(containerd.address)) > 1) await Bun.sleep(20);
  expect(await connectionsOf(containerd.address)).toBe(1);
  expect(client.callCount).toBe(0);
});

test('event streams: 500 subscribed and cancelled leave nothing, here or there', async () => {
  const idle = await goroutinesIn('events.(*service).Subscribe');
  await sixteenAtOnce(500, async i => {
    const events = await subscribe(client.events, [`topic=="/test/${i}"`]);
    if (i % 2 === 0) {
      await events.return();
    } else {
      await client.events.publish({ topic: `/test/${i}`, event: { typeUrl: 'x' } });
      for await (const { topic } of events) {
        expect(topic).toBe(`/test/${i}`);
        break;
      }
    }
  });
  expect(client.callCount).toBe(0);
  const held = await subscribe(client.events, []);
  expect(client.callCount).toBe(1);
  // The handlers of the last streams may still be on their way out.
  let left = await goroutinesIn('events.(*service).Subscribe');
  for (let i = 0; i < 100 && left > idle + 1; i++) left = await goroutinesIn('events.(*service).Subscribe');
  expect(left).toBe(idle + 1);
  await held.return();
});

describe('containerd goes away', () => {
  for (const how of ['stop', 'kill'] as const) {
    test(`by ${how}: calls under way fail, and the first one after its return connects anew`, async () => {
      const never = client.events.subscribe({ filters: ['topic=="/test/never"'] });
      const waiting = never.next().catch(error => error);
      const calls = Array.from({ length: 20 }, () => client.version.version({}));
      await Promise.all(calls);
      await containerd[how]();
      const lost = await waiting;
      expect(isUnavailable(lost)).toBe(true);
      expect(isGrpcError(lost, 'UNAVAILABLE')).toBe(true);

      const away = await client.version.version({}).catch(error => error);
      expect(away).toBeInstanceOf(ConnectError);
      expect(isUnavailable(away)).toBe(true);
      expect(away.message).toMatch(
        /^cannot connect to \/run\/containerd\/containerd.sock: (no such file or directory \(ENOENT\)|connection refused \(ECONNREFUSED\))$/,
      );

      await containerd.start();
      expect(await output('ctr', 'version')).toContain((await client.version.version({})).version);
      expect((await client.namespaces.list({})).map(({ name }) => name)).toContain(NAMESPACE);
    });
  }

  test('in the midst of an upload: the error says so, and the upload goes on where it was', async () => {
    const bytes = random(9_000_000);
    const request = { ref: 'interrupted', digest: digestOf(bytes), size: bytes.length, labels: LABELS };
    async function* interrupted() {
      yield bytes.subarray(0, 5_000_000);
      // Until containerd has taken it all.
      while ((await client.content.status({ ref: 'interrupted' })).offset < 5_000_000);
      await containerd.kill();
      yield bytes.subarray(5_000_000);
    }
    const failure = await upload(client.content, request, interrupted).catch(error => error);
    expect(isUnavailable(failure)).toBe(true);
    await containerd.start();
    let from = -1;
    const outcome = await upload(client.content, request, offset => {
      from = offset;
      return [bytes.subarray(offset)];
    });
    expect(outcome).toBe('uploaded');
    expect(from).toBe(5_000_000);
    expect(await ctr('content', 'ls', '-q')).toContain(request.digest);
    await client.content.delete({ digest: request.digest });
  });

  test('who may not connect is told so', async () => {
    chmodSync('/run/containerd', 0o755);
    const source = `
      const { connect } = await import(${JSON.stringify(`${import.meta.dir}/../../../plugins/containerd-shim/client/index.ts`)});
      await connect({ socket: ${JSON.stringify(containerd.address)} }).version.version({}).catch(error => console.log(error.message));`;
    const said = await output(
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      '-e',
      source,
    );
    expect(said).toBe(`cannot connect to ${containerd.address}: permission denied (EACCES)\n`);
  });
});

test('nothing stays open when the client is closed', async () => {
  const other = connect({ socket: containerd.address });
  const sockets = () => readdirSync('/proc/self/fd').length;
  const before = sockets();
  for (let i = 0; i < 50; i++) {
    await other.version.version({});
    other.close();
  }
  await other.version.version({});
  expect(sockets()).toBeLessThanOrEqual(before + 2);
  other.close();
});
