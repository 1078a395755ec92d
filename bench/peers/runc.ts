/** runc alone: namespaces and a process, with no image, no network and no address. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { COMMAND, done, type Peer } from './peer.ts';

const BUNDLE = '/run/bundle';

export async function runc(): Promise<Peer> {
  mkdirSync(`${BUNDLE}/rootfs/bin`, { recursive: true });
  copyFileSync('/bin/busybox', `${BUNDLE}/rootfs/bin/busybox`);
  for (const applet of ['sh', 'sleep']) symlinkSync('busybox', `${BUNDLE}/rootfs/bin/${applet}`);
  await done(['runc', 'spec', '--bundle', BUNDLE]);
  const spec = JSON.parse(readFileSync(`${BUNDLE}/config.json`, 'utf8'));
  Object.assign(spec.process, { terminal: false, args: COMMAND });
  // A box offers no controller for what it would ask.
  delete spec.linux.resources;
  writeFileSync(`${BUNDLE}/config.json`, JSON.stringify(spec));
  const remove = (pod: string) => done(['runc', 'delete', '--force', pod]);
  return {
    name: 'runc, bare',
    up: pod => done(['runc', 'run', '--detach', '--bundle', BUNDLE, pod]),
    down: remove,
    async clear(pods) {
      for (const pod of pods) await remove(pod);
    },
  };
}
