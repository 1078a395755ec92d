import { afterAll, expect, test } from 'bun:test';
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundleOf } from '../../../../plugins/containerd-shim/runtime/stray.ts';
import { parseMountinfo } from '../../../../src/host/mountinfo.ts';

const top = mkdtempSync('/run/kuke-bundle-');
afterAll(() => rmSync(top, { recursive: true, force: true }));

const params = { namespace: 'kukeon-main', id: 'default_default_web_root' };
const PLACE = `io.containerd.runtime.v2.task/${params.namespace}/${params.id}`;

/** A bundle in a state folder, with a root file system mounted in it. */
function bundle(state: string): string {
  const folder = join(top, state, PLACE);
  mkdirSync(folder, { recursive: true });
  return folder;
}

const mountsAt = (...bundles: string[]) =>
  parseMountinfo(bundles.map((one, i) => `${i + 40} 1 0:${i + 40} / ${one}/rootfs rw - fuse fuse rw\n`).join(''));

test('the bundle of a task is where its root file system is mounted, but not in a folder that is somebody else’s', () => {
  const [own, planted] = [bundle('state'), bundle('home')];
  chownSync(join(top, 'home'), 65_534, 65_534);
  expect(bundleOf(params, mountsAt(own))).toBe(own);
  expect(bundleOf(params, mountsAt(planted))).toBeUndefined();
  expect(bundleOf(params, mountsAt(planted, own))).toBe(own);
  expect(bundleOf(params, mountsAt(join(top, 'gone', PLACE)))).toBeUndefined();
});
