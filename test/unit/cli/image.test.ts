/** The image commands on fakes: what they print, and with which exit code they end. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { describeImage } from '../../../src/cli/image-inspect.ts';
import { addImage, fakeArchive, publish } from '../../fakes/index.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
});
afterEach(() => fake.remove());

const kuke = (...args: string[]) => fake.kuke(...args);
const names = async () => (await kuke('image', 'ls', '-q')).stdout.trim().split('\n');

test('pull: a line a layer where nobody watches, none with -q; what no registry has is exit code 3', async () => {
  publish(fake.host, { name: 'nginx:alpine' });
  const full = 'docker.io/library/nginx:alpine';
  const pulled = await kuke('image', 'pull', 'nginx:alpine');
  expect(pulled).toEqual({ status: 0, stdout: `pulled ${full}\n`, stderr: `${full}: layer 1 of 1: fetched, 1.0 kB\n` });
  expect(await kuke('image', 'pull', '-q', 'nginx:alpine')).toMatchObject({ stdout: `pulled ${full}\n`, stderr: '' });
  expect(await names()).toContain(full);
  const { status, stderr } = await kuke('image', 'pull', 'none');
  expect(status).toBe(3);
  expect(stderr).toContain('none');
  // One that fails holds up no other.
  expect(await kuke('image', 'pull', '-q', 'none', 'nginx:alpine')).toMatchObject({
    status: 3,
    stdout: `pulled ${full}\n`,
  });
});

test('pull --dry-run and --explain', async () => {
  const command = 'ctr -n kukeon-main images pull docker.io/library/nginx:latest\n';
  const { status, stdout } = await kuke('image', 'pull', 'nginx', '--dry-run', '--explain');
  expect({ status, stdout }).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^#!\/bin\/bash\n.*\nset -e\nKUKE_INSTANCE=/),
  });
  expect(stdout).toEndWith(`\n\n${command}`);
  expect((await kuke('image', 'pull', 'nginx', '--dry-run')).stdout).toBe('pulled nginx (dry run)\n');
  expect(await names()).toEqual(['docker.io/library/busybox:latest']);
  publish(fake.host, { name: 'nginx' });
  expect((await kuke('image', 'pull', 'nginx', '--explain')).stdout).toContain(`${command}\npulled `);
  expect(await names()).toHaveLength(2);
});

test('tag and inspect', async () => {
  expect(await kuke('image', 'tag', 'busybox', 'mine:1')).toMatchObject({
    stdout: 'tagged docker.io/library/mine:1\n',
  });
  const { stdout } = await kuke('image', 'inspect', 'mine:1', '-o', 'json');
  expect(JSON.parse(stdout)).toMatchObject({
    name: 'docker.io/library/mine:1',
    config: { cmd: ['sleep', '1000'] },
    usedBy: [],
  });
  expect((await kuke('image', 'inspect', 'mine:1')).stdout).toMatch(/^Command: +"sleep" "1000"$/m);
  expect((await kuke('image', 'inspect', 'none')).status).toBe(3);
  expect((await kuke('image', 'tag', 'busybox', `mine@sha256:${'0'.repeat(64)}`)).status).toBe(2);
});

describe('load, tag, rm and prune', () => {
  const full = 'docker.io/library/busybox:latest';
  const cases: [args: string[], said: string, command: string][] = [
    [['tag', 'busybox', 'mine:1'], 'tagged docker.io/library/mine:1', `tag ${full} docker.io/library/mine:1`],
    [['rm', 'busybox'], 'removed busybox', `remove ${full}`],
    [['prune', '--all', '--yes'], `removed ${full}`, `remove ${full}`],
    [['load', '-i', 'ARCHIVE'], 'loaded docker.io/library/new:1', 'load '],
  ];
  test.each(cases)('%j --dry-run and --explain', async (args, said, command) => {
    const archive = fake.file('new.tar', new TextDecoder().decode(fakeArchive({ name: 'new:1' })));
    const argv = ['image', ...args.map(one => (one === 'ARCHIVE' ? archive : one))];
    expect(await kuke(...argv, '--dry-run')).toMatchObject({ status: 0, stdout: `${said} (dry run)\n` });
    const script = (await kuke(...argv, '--dry-run', '--explain')).stdout;
    expect(script).toStartWith('#!/bin/bash\n');
    expect(script).toContain(`\nctr -n kukeon-main images ${command}`);
    expect(script).not.toContain(said);
    expect(await names()).toEqual([full]);
    const done = await kuke(...argv, '--explain');
    expect(done.status).toBe(0);
    expect(done.stdout.indexOf('set -e')).toBeLessThan(done.stdout.indexOf(`images ${command}`));
    expect(done.stdout.indexOf(`images ${command}`)).toBeLessThan(done.stdout.indexOf(`${said}\n`));
    expect(await names()).not.toEqual([full]);
  });

  test('what would fail is told, and no script is printed', async () => {
    for (const [code, ...argv] of [
      [3, 'rm', 'busybox', 'none'],
      [3, 'tag', 'none', 'mine:1'],
      [2, 'load', '-i', fake.file('no.tar', '?')],
      [2, 'load', '-i', '-'],
    ] as const) {
      const { status, stdout, stderr } = await kuke('image', ...argv, '--dry-run', '--explain');
      expect({ status, stdout, said: stderr.startsWith('error: ') }).toEqual({ status: code, stdout: '', said: true });
    }
  });
});

test('save: whole into the file, or no file at all', async () => {
  const file = fake.file('images.tar', 'what was there');
  expect((await kuke('image', 'save', 'none', '-o', file)).status).toBe(3);
  expect(readFileSync(file, 'utf8')).toBe('what was there');
  expect((await kuke('image', 'save', 'busybox', '-o', file)).status).toBe(0);
  expect(readFileSync(file, 'utf8')).toContain('library/busybox');
  expect(existsSync(`${file}.${process.pid}.part`)).toBe(false);
  expect(statSync(file).isFile()).toBe(true);
  expect((await kuke('image', 'save', 'busybox', '-o', '/no/such/folder/x')).status).toBe(2);
  expect((await kuke('image', 'save', 'busybox', '-o', '/')).status).toBe(2);
});

describe('prune', () => {
  const digest = `sha256:${'1'.repeat(64)}`;

  test('takes those without a name; --all asks first, and leaves what a manifest names', async () => {
    const namespace = fake.host.runtime.namespaces.get('kukeon-main');
    if (namespace === undefined) throw new Error('no namespace');
    addImage(namespace, { name: 'unused:1' });
    const { info, config } = namespace.images.get('docker.io/library/unused:1') ?? {};
    if (info && config)
      namespace.images.set(digest, { info: { ...info, name: digest }, config: { ...config, name: digest } });
    expect((await kuke('image', 'prune')).stdout).toBe(`removed ${digest}\nfreed 1.0 kB\n`);
    const asked = await kuke('image', 'prune', '--all');
    expect(asked.status).toBe(2);
    expect(asked.stderr).toContain('--yes');
    const stopped = '{ realmId: main, desiredState: stopped, containers: [{ id: a, image: busybox }] }';
    const file = fake.file(
      'cell.yaml',
      `{ apiVersion: v1beta1, kind: Cell, metadata: { name: web }, spec: ${stopped} }`,
    );
    expect((await kuke('apply', '-f', file)).status).toBe(0);
    expect((await kuke('image', 'prune', '--all', '--yes')).stdout).toStartWith('removed docker.io/library/unused:1\n');
    expect(await names()).toEqual(['docker.io/library/busybox:latest']);
  });
});

test('what an image says of itself does not steer the terminal', () => {
  const text = describeImage({
    name: 'a',
    names: ['a', 'b'],
    digest: 'sha256:1',
    manifest: 'sha256:2',
    mediaType: 'type',
    platforms: [],
    size: 1,
    createdAt: '2024-01-01T00:00:00Z',
    layers: [],
    usedBy: [],
    config: {
      entrypoint: [],
      cmd: ['a\nb', '\u001b[2J'],
      env: ['A=\u001b[2J'],
      user: '',
      workingDir: '',
      labels: { x: 'two\nlines' },
      exposedPorts: [],
      volumes: [],
    },
  });
  expect(text).not.toContain('\u001b');
  expect(text).toMatch(/^Labels: +x=two\\nlines$/m);
  expect(text).toMatch(/^Also: +b$/m);
});

test('ls: what an image says of itself does not steer the terminal', async () => {
  const namespace = fake.host.runtime.namespaces.get('kukeon-main');
  if (namespace === undefined) throw new Error('no namespace');
  addImage(namespace, { name: 'nginx' }).platforms = ['linux/\u001b[31mred', 'linux/\u009b2J'];
  for (const output of ['table', 'json']) {
    const { stdout } = await kuke('image', 'ls', '-o', output);
    expect(stdout).toContain('red');
    for (const control of ['\u001b', '\u009b']) expect(stdout).not.toContain(control);
  }
});
