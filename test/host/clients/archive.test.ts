// containerd: once, since the archive is kuke's own.
/** What `image save` writes, as others read it: podman, by Docker's manifest.json and by the OCI layout. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox, dockerArchive, ociArchive } from '../image.ts';
import { kuke, run } from '../kuke/kuke.ts';
import { ended } from './command.ts';
import { environment, FOLDER, fetched } from './podman.ts';

let containerd: Containerd;
let env: Record<string, string | undefined>;
beforeAll(async () => {
  containerd = await startContainerd();
  await kuke('init');
  env = environment(await fetched());
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${FOLDER}/containers.conf`, '');
  const storage = `[storage]\ndriver = "vfs"\nrunroot = "${FOLDER}/run"\ngraphroot = "${FOLDER}/root"\n`;
  writeFileSync(`${FOLDER}/storage.conf`, storage);
});
afterAll(() => containerd.stop());

async function podman(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ended(['podman', ...args], env);
  if (status !== 0) throw new Error(`podman ${args.join(' ')}: exit status ${status}: ${stderr.trim()}`);
  return stdout.trim();
}

interface Inspected {
  Digest: string;
  Id: string;
  RepoTags: string[];
  Config: { Cmd: string[]; Env: string[] };
  RootFS: { Layers: string[] };
}
const inspected = async (name: string): Promise<Inspected> => JSON.parse(await podman('image', 'inspect', name))[0];

const config = { Cmd: ['cat', '/srv/file'], Env: ['PATH=/bin', 'A=b'] };
const layers = [busybox(), { 'srv/file': 'from the image\n' }];
const files = async (name: string) => {
  const container = await podman('create', '--network', 'none', name);
  const copied = await podman('cp', `${container}:/srv/file`, '-');
  await podman('rm', container);
  return copied;
};

test.each([
  ['layers as Docker saves them', dockerArchive],
  ['compressed layers, as a registry has them', ociArchive],
])('%s', async (_, archive) => {
  const [one, two] = ['docker.io/library/one:1', 'registry.local:5000/team/two:2'];
  for (const [name, more] of [
    [one, {}],
    [two, { 'srv/two': '2' }],
  ] as const) {
    const stdin = archive({ name, layers: [...layers, { 'srv/last': name, ...more }], config });
    expect(await run(['image', 'load', '-i', '-'], { stdin })).toMatchObject({ status: 0 });
  }
  await kuke('image', 'tag', one, 'other:1');
  const file = '/run/saved.tar';
  await kuke('image', 'save', one, 'other:1', two, '-o', file);
  const details = JSON.parse(await kuke('image', 'inspect', one, '-o', 'json'));

  expect(await podman('load', '--quiet', '-i', file)).toContain(one);
  const loaded = await inspected(one);
  expect(loaded.RepoTags.sort()).toEqual([one, 'docker.io/library/other:1'].sort());
  expect(loaded.Config).toMatchObject(config);
  expect(loaded.RootFS.Layers).toHaveLength(3);
  expect((await inspected(two)).RepoTags).toEqual([two]);
  expect(await files(one)).toContain('from the image');
  await podman('rmi', '--all', '--force');

  // Each way by itself.
  await podman('pull', '--quiet', `docker-archive:${file}:${two}`);
  expect((await inspected(two)).RootFS.Layers).toHaveLength(3);
  await podman('rmi', '--all', '--force');
  await kuke('image', 'save', one, '-o', file);
  const pulled = await podman('pull', '--quiet', `oci-archive:${file}`);
  expect((await inspected(pulled)).Digest).toBe(details.manifest);
  await podman('rmi', '--all', '--force');
});
