/** Each layout of certs.d leads the client to where `ctr images pull --hosts-dir` goes. */
// containerd: once, since it is ctr that is looked at; all versions have these rules in common (1.6 lacks a `server` alone).
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openRepository } from '../../../src/registry/index.ts';
import { type RegistryUnderTest, startRegistry } from '../../registry/docker-registry.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox, ociArchive } from '../image.ts';

const certsFolder = '/tmp/certs.d';
const names = ['registry', 'empty', 'full'] as const;
type Name = (typeof names)[number];

let containerd: Containerd;
let servers: Record<Name, RegistryUnderTest>;

beforeAll(async () => {
  containerd = await startContainerd();
  const [registry, empty, full] = await Promise.all([startRegistry(), startRegistry(), startRegistry()]);
  servers = { registry, empty, full };
  const archive = ociArchive({ name: 'web', layers: [busybox()] });
  await registry.pushArchive('team/web', '1', archive);
  await full.pushArchive('team/web', '1', archive);
  await full.pushArchive('mirror/team/web', '1', archive);
  asked();
}, 60_000);
afterAll(async () => {
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]();
  await containerd.stop();
});

/**
 * What each server was asked for since the last call, and whether it had it. Without HEAD requests and manifests by digest, of which ctr
 * makes one after it has resolved a tag; the client has the content by then.
 */
function asked(): Record<string, string[]> {
  const lines = (name: Name) =>
    servers[name]
      .requests()
      .map(line => line.replace(/^(?:HEAD|GET) /, ''))
      .filter(line => !/^\S+\/manifests\/sha256:|^\/v2\/ /.test(line));
  return Object.fromEntries(names.map(name => [name, [...new Set(lines(name))].sort()]));
}

test.each<[string, string, string]>([
  ['two mirrors, the first without the image', 'HOST_PORT_', '[host."http://EMPTY"]\n[host."http://FULL"]'],
  ['a mirror that may not resolve', 'HOST_PORT_', '[host."http://FULL"]\ncapabilities = ["pull"]'],
  ['a path of its own', 'HOST_PORT_', '[host."http://FULL/v2/mirror"]\noverride_path = true'],
  ['a path before /v2', 'HOST_PORT_', '[host."http://FULL/mirror"]'],
  ['/v2 said', 'HOST_PORT_', '[host."http://FULL/v2/"]'],
  ['a slash at the end', 'HOST_PORT_', '[host."http://FULL/"]'],
  ['the folder with a colon', 'HOST:PORT', '[host."http://FULL"]'],
  ['the folder of all others', '_default', '[host."http://FULL"]'],
  ['nothing in it', 'HOST_PORT_', ''],
])('%s', async (_, folder, text) => {
  const { registry, empty, full } = servers;
  const [host = '', port = ''] = registry.host.split(':');
  const path = join(certsFolder, folder.replace('HOST', host).replace('PORT', port));
  rmSync(certsFolder, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'hosts.toml'), text.replaceAll('FULL', full.host).replaceAll('EMPTY', empty.host));

  const image = `${registry.host}/team/web:1`;
  await Bun.$`ctr -n ctr images pull --hosts-dir ${certsFolder} ${image}`.quiet();
  const theirs = asked();
  await Bun.$`ctr -n ctr images rm --sync ${image}`.quiet();

  const credentials = async () => undefined;
  const { signal } = new AbortController();
  const repository = openRepository(`${registry.host}/team/web`, { credentials, signal, certsFolder });
  const { content } = await repository.resolve('1');
  const { config, layers } = JSON.parse(new TextDecoder().decode(content));
  for (const blob of [config, ...layers]) await Array.fromAsync(repository.blob(blob));
  expect(asked()).toEqual(theirs);
  expect(
    Object.values(theirs)
      .flat()
      .some(line => line.endsWith(' 200')),
  ).toBe(true);
});
