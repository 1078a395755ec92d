/** Every service of the client on a real containerd, and what `ctr` then sees of it. */
import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  connect,
  eventOf,
  type GrpcError,
  isGrpcError,
  readBlob,
  subscribe,
  upload,
} from '../../../plugins/containerd-shim/client/index.ts';
import { output } from '../observe/command.ts';
import { tar } from '../tar.ts';
import { client, containerd, ctr, failureOf, NAMESPACE } from './client-under-test.ts';

const GC_ROOT = { 'containerd.io/gc.root': '2026-01-01T00:00:00Z' };
const snapshotter = 'overlayfs';

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function put(bytes: Uint8Array, labels: Record<string, string> = GC_ROOT): Promise<string> {
  const digest = digestOf(bytes);
  await upload(client.content, { ref: digest, digest, size: bytes.length, labels }, offset => [bytes.subarray(offset)]);
  return digest;
}

test('version and introspection', async () => {
  const { version, revision } = await client.version.version({});
  const said = await output('ctr', 'version');
  expect(said).toContain(version);
  expect(said).toContain(revision);
  const { uuid } = await client.introspection.server({});
  expect(said).toContain(uuid);

  const plugins = await client.introspection.plugins({ filters: ['type==io.containerd.snapshotter.v1'] });
  expect(plugins.find(({ id }) => id === snapshotter)).toMatchObject({
    type: 'io.containerd.snapshotter.v1',
    initErr: undefined,
    exports: { root: expect.stringContaining(containerd.root) },
  });
});

test('namespaces', async () => {
  await client.namespaces.create({ namespace: { name: 'other', labels: { a: '1', b: '2' } } });
  expect(await output('ctr', 'namespaces', 'ls')).toMatch(/other +a=1,b=2/);
  expect((await client.namespaces.list({})).map(({ name }) => name).sort()).toEqual([NAMESPACE, 'other']);
  await client.namespaces.update({
    namespace: { name: 'other', labels: { a: '3' } },
    updateMask: { paths: ['labels.a'] },
  });
  expect((await client.namespaces.get({ name: 'other' })).labels).toEqual({ a: '3', b: '2' });
  expect(await failureOf(client.namespaces.create({ namespace: { name: 'other' } }))).toMatchObject({
    codeName: 'ALREADY_EXISTS',
    message: 'namespace "other": already exists',
  });
  await client.namespaces.delete({ name: 'other' });
  expect(await output('ctr', 'namespaces', 'ls')).not.toContain('other');
  expect(await client.namespaces.get({ name: 'other' })).toEqual({ name: 'other', labels: {} });
  expect(await failureOf(client.namespaces.delete({ name: 'other' }))).toMatchObject({ codeName: 'NOT_FOUND' });
});

describe('content', () => {
  test('goes in and out, with labels', async () => {
    const bytes = new TextEncoder().encode('a small blob');
    const digest = await put(bytes, { ...GC_ROOT, 'kuke.io/test': 'é' });
    expect(await ctr('content', 'get', digest)).toBe('a small blob');
    expect(await client.content.info({ digest })).toMatchObject({
      size: bytes.length,
      labels: { 'kuke.io/test': 'é' },
    });
    expect(Buffer.from(await readBlob(client.content, digest)).toString()).toBe('a small blob');
    expect(await failureOf(readBlob(client.content, digest, { limit: 5 }))).toMatchObject({
      codeName: 'RESOURCE_EXHAUSTED',
    });

    const middle = await Array.fromAsync(client.content.read({ digest, offset: 2, size: 5 }));
    expect(Buffer.concat(middle.map(({ data }) => data)).toString()).toBe('small');

    await client.content.update({ info: { digest, labels: { x: 'y' } }, updateMask: { paths: ['labels.x'] } });
    expect(await ctr('content', 'ls')).toMatch(new RegExp(`${digest}.*x=y`));
    const infos = await Array.fromAsync(client.content.list({ filters: ['labels."x"==y'] }));
    expect(infos.map(info => info.digest)).toEqual([digest]);

    const again = { ref: 'again', digest, size: bytes.length };
    const unread = () => {
      throw new Error('nobody should read this');
    };
    expect(await upload(client.content, again, unread)).toBe('exists');

    await client.content.delete({ digest });
    expect(await ctr('content', 'ls', '-q')).not.toContain(digest);
    expect(await failureOf(client.content.info({ digest }))).toMatchObject({ codeName: 'NOT_FOUND' });
    expect(await failureOf(readBlob(client.content, digest))).toMatchObject({ codeName: 'NOT_FOUND' });
  });

  test('an empty blob', async () => {
    const digest = await put(new Uint8Array());
    expect((await client.content.info({ digest })).size).toBe(0);
    expect(await readBlob(client.content, digest)).toHaveLength(0);
    await client.content.delete({ digest });
  });

  test('an upload that broke off goes on where it was', async () => {
    const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const digest = digestOf(bytes);
    const request = { ref: 'broken', digest, size: bytes.length, labels: GC_ROOT };
    async function* half() {
      yield bytes.subarray(0, 1_200_000);
      while ((await client.content.status({ ref: 'broken' })).offset < 1_200_000);
      throw new Error('the source is gone');
    }
    await expect(upload(client.content, request, half)).rejects.toThrow('the source is gone');

    const [status] = await client.content.listStatuses({});
    expect(status).toMatchObject({ ref: 'broken', total: bytes.length });
    expect((await client.content.status({ ref: 'broken' })).offset).toBe(1_200_000);
    expect(await ctr('content', 'active')).toContain('broken');

    let from = -1;
    // The server lets go of the ref when it has seen that the first upload was cancelled.
    const source = (offset: number) => {
      from = offset;
      return [bytes.subarray(offset)];
    };
    const resume = () =>
      upload(client.content, request, source).catch(error => {
        if (isGrpcError(error, 'UNAVAILABLE')) return 'locked';
        throw error;
      });
    let outcome = await resume();
    while (outcome === 'locked') outcome = await resume();
    expect(outcome).toBe('uploaded');
    expect(from).toBe(1_200_000);
    expect(await readBlob(client.content, digest)).toEqual(Buffer.from(bytes));
    expect(await ctr('content', 'active')).not.toContain('broken');
    await client.content.delete({ digest });
  });

  test('other bytes than were promised are refused, and nothing stays', async () => {
    const request = { ref: 'wrong', digest: digestOf(Buffer.from('promised')), size: 8, labels: GC_ROOT };
    const failure = await failureOf(upload(client.content, request, () => [Buffer.from('delivers')]));
    expect(failure).toMatchObject({
      codeName: 'FAILED_PRECONDITION',
      message: expect.stringContaining('unexpected commit digest'),
    });
    const short = await failureOf(upload(client.content, { ...request, ref: 'short' }, () => [Buffer.from('short')]));
    expect(short.codeName).toBe('FAILED_PRECONDITION');
    for (const { ref } of await client.content.listStatuses({})) await client.content.abort({ ref });
    expect(await client.content.listStatuses({})).toEqual([]);
    expect(await failureOf(client.content.info({ digest: request.digest }))).toMatchObject({ codeName: 'NOT_FOUND' });
  });
});

test('leases keep content that nothing else holds, and let go of it', async () => {
  await client.leases.create({ id: 'held', labels: { why: 'test' } });
  const bytes = Buffer.from('held by a lease');
  const digest = digestOf(bytes);
  const leased = client.with({ lease: 'held' });
  await upload(leased.content, { ref: 'held', digest, size: bytes.length }, () => [bytes]);
  expect(await client.leases.list({ filters: ['id==held'] })).toMatchObject([{ id: 'held', labels: { why: 'test' } }]);
  expect(await client.leases.listResources({ id: 'held' })).toEqual([{ id: digest, type: 'content' }]);
  expect(await ctr('leases', 'ls')).toContain('held');

  const other = Buffer.from('added afterwards');
  const added = await put(other);
  await client.leases.addResource({ id: 'held', resource: { id: added, type: 'content' } });
  await client.content.update({ info: { digest: added, labels: {} }, updateMask: { paths: ['labels'] } });
  await client.leases.deleteResource({ id: 'held', resource: { id: added, type: 'content' } });
  expect(await client.leases.listResources({ id: 'held' })).toHaveLength(1);

  await client.leases.delete({ id: 'held', sync: true });
  expect(await ctr('leases', 'ls')).not.toContain('held');
  expect(await ctr('content', 'ls', '-q')).not.toContain(digest);
  expect(await failureOf(client.leases.delete({ id: 'held' }))).toMatchObject({ codeName: 'NOT_FOUND' });
});

test('images', async () => {
  const target = {
    mediaType: 'application/vnd.oci.image.index.v1+json',
    digest: await put(Buffer.from('{}')),
    size: 2,
  };
  const name = 'docker.io/library/nothing:1';
  const created = await client.images.create({ image: { name, target, labels: { a: 'b' } } });
  expect(created.target).toMatchObject(target);
  expect(created.createdAt).toBeInstanceOf(Date);
  expect(await ctr('images', 'ls', '-q')).toBe(`${name}\n`);
  expect(await client.images.list({ filters: [`name==${name}`] })).toEqual([await client.images.get({ name })]);
  await client.images.update({ image: { name, labels: { a: 'c' } }, updateMask: { paths: ['labels.a'] } });
  expect((await client.images.get({ name })).labels).toEqual({ a: 'c' });
  await client.images.delete({ name, sync: true });
  expect(await ctr('images', 'ls', '-q')).toBe('');
  expect(await failureOf(client.images.get({ name }))).toMatchObject({
    code: 5,
    codeName: 'NOT_FOUND',
    message: `image "${name}": not found`,
    method: '/containerd.services.images.v1.Images/Get',
  });
});

test('snapshots and diff: a layer is unpacked, changed, and made into a layer again', async () => {
  const layer = tar({ 'etc/': { folder: true }, 'etc/greeting': 'hello\n' });
  const digest = await put(layer);
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: layer.length };

  const mounts = await client.snapshots.prepare({ snapshotter, key: 'unpack', labels: GC_ROOT });
  expect(await client.snapshots.mounts({ snapshotter, key: 'unpack' })).toEqual(mounts);
  const applied = await client.diff.apply({ diff: descriptor, mounts });
  expect(applied).toMatchObject({ digest, size: layer.length });
  await client.snapshots.commit({ snapshotter, name: 'layer', key: 'unpack', labels: GC_ROOT });

  const lower = await client.snapshots.view({ snapshotter, key: 'lower', parent: 'layer', labels: GC_ROOT });
  const upper = await client.snapshots.prepare({ snapshotter, key: 'upper', parent: 'layer', labels: GC_ROOT });
  expect(await ctr('snapshots', 'ls')).toMatch(/upper +layer +Active/);
  expect(await client.snapshots.stat({ snapshotter, key: 'upper' })).toMatchObject({ parent: 'layer', kind: 'ACTIVE' });
  const listed = await Array.fromAsync(client.snapshots.list({ snapshotter, filters: ['parent==layer'] }));
  expect(listed.map(({ name, kind }) => `${name} ${kind}`).sort()).toEqual(['lower VIEW', 'upper ACTIVE']);

  mkdirSync('/tmp/upper');
  await output('mount', '-t', 'overlay', '-o', upper[0]?.options.join(',') ?? '', 'overlay', '/tmp/upper');
  expect(readFileSync('/tmp/upper/etc/greeting', 'utf8')).toBe('hello\n');
  writeFileSync('/tmp/upper/etc/more', 'x'.repeat(5000));
  await output('umount', '/tmp/upper');
  const { size, inodes } = await client.snapshots.usage({ snapshotter, key: 'upper' });
  expect(size).toBeGreaterThanOrEqual(5000);
  expect(inodes).toBeGreaterThanOrEqual(1);

  const made = await client.diff.diff({
    left: lower,
    right: upper,
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    ref: 'diff',
    labels: GC_ROOT,
  });
  await Bun.write('/tmp/diff.tar', await readBlob(client.content, made.digest));
  expect(await output('tar', '-tf', '/tmp/diff.tar')).toContain('etc/more');

  expect(await failureOf(client.snapshots.remove({ snapshotter, key: 'layer' }))).toMatchObject({
    codeName: 'FAILED_PRECONDITION',
    message: expect.stringContaining('cannot remove snapshot with child'),
  });
  for (const key of ['upper', 'lower', 'layer']) await client.snapshots.remove({ snapshotter, key });
  expect((await ctr('snapshots', 'ls')).trim().split('\n')).toHaveLength(1);
  expect(await failureOf(client.snapshots.stat({ snapshotter, key: 'upper' }))).toMatchObject({
    codeName: 'NOT_FOUND',
  });
  expect(await failureOf(client.snapshots.stat({ snapshotter: 'none', key: 'x' }))).toMatchObject({
    codeName: 'INVALID_ARGUMENT',
    message: expect.stringContaining('snapshotter not loaded: none'),
  });
});

test('events: all that is published after subscribing comes, in order, and nothing else', async () => {
  const publish = (topic: string, text: string) =>
    client.events.publish({ topic, event: { typeUrl: 'text', value: Buffer.from(text) } });
  const [some, all] = [await subscribe(client.events, ['topic=="/test/some"']), await subscribe(client.events, [])];
  for (let i = 0; i < 50; i++) await publish(i % 2 === 0 ? '/test/some' : '/test/other', String(i));

  const texts: string[] = [];
  for await (const envelope of some) {
    expect(envelope).toMatchObject({ topic: '/test/some', namespace: NAMESPACE });
    expect(eventOf(envelope)).toBeUndefined();
    texts.push(Buffer.from(envelope.event?.value ?? []).toString());
    if (texts.length === 25) break;
  }
  expect(texts).toEqual(Array.from({ length: 25 }, (_, i) => String(2 * i)));

  const topics = new Set<string>();
  for await (const { topic, event } of all) {
    topics.add(topic);
    if (Buffer.from(event?.value ?? []).toString() === '49') break;
  }
  expect([...topics].sort()).toEqual(['/test/other', '/test/some']);
  expect((await failureOf(subscribe(client.events, ['topic==/not/quoted']))).message).toContain('invalid quote');
  expect(client.callCount).toBe(0);
});

test('what containerd refuses comes with its code and words', async () => {
  const bare = connect({ socket: containerd.address });
  expect(await failureOf(bare.images.list({}))).toMatchObject({
    codeName: 'FAILED_PRECONDITION',
    message: 'namespace is required: failed precondition',
  });
  expect(await failureOf(bare.containers.list({}, { namespace: 'not valid!' }).next())).toMatchObject({
    codeName: 'INVALID_ARGUMENT',
  });
  expect(await failureOf(client.containers.create({ container: { id: 'a' } }))).toMatchObject({
    codeName: 'INVALID_ARGUMENT',
  });
  const never = client.events.subscribe({ filters: ['topic=="/never"'] }, { timeoutMs: 50 });
  expect(await failureOf(never.next())).toMatchObject({
    codeName: 'DEADLINE_EXCEEDED',
    message: 'no answer within 50 ms',
  });
  const hurried = client.with({ timeoutMs: 50 });
  const late = { codeName: 'DEADLINE_EXCEEDED' };
  expect(await failureOf(hurried.events.subscribe({ filters: ['topic=="/never"'] }).next())).toMatchObject(late);
  // A call may lift the limit of its client.
  const patient = hurried.events.subscribe({ filters: ['topic=="/never"'] }, { timeoutMs: undefined });
  expect(
    await Promise.race([patient.next().catch((error: unknown) => error), Bun.sleep(200).then(() => 'waits')]),
  ).toBe('waits');
  bare.close();
});

test('an empty request is answered, whatever the method: it does not take containerd down', async () => {
  const { namespaces, content, images, snapshots, diff, leases, containers, tasks, introspection } = client;
  const services = { namespaces, content, images, snapshots, diff, leases, containers, tasks, introspection };
  const answers: Record<string, string> = {};
  for (const [service, methods] of Object.entries(services)) {
    for (const [name, method] of Object.entries(methods as Record<string, (request: object) => unknown>)) {
      const result = method({});
      if (!(result instanceof Promise) || name === 'write') continue;
      answers[`${service}.${name}`] = await result.then(
        () => 'answered',
        (error: GrpcError) => error.codeName,
      );
    }
  }
  expect(Object.keys(answers).length).toBeGreaterThan(45);
  expect(Object.entries(answers).filter(([, outcome]) => outcome === 'UNAVAILABLE')).toEqual([]);
  expect(answers).toMatchObject({ 'snapshots.prepare': 'INVALID_ARGUMENT', 'tasks.wait': 'NOT_FOUND' });
  expect(await Bun.file(`/proc/${containerd.pid}/comm`).text()).toBe('containerd\n');
});
