// containerd: once, since it has no part in this
/** Which execs are taken for left over: not those that are under way, also in a process that runs on, such as kukeond. */
import '../box.ts';
import { expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { leftExecFindings, noteExec } from '../../../plugins/containerd-shim/runtime/exec-records.ts';

const place = { socket: '/run/containerd.sock', namespace: 'kukeon-main', id: 'web' };
const found = (socket = place.socket) => {
  const containerd = { socket } as Parameters<typeof leftExecFindings>[0];
  return leftExecFindings(containerd).map(({ what }) => what);
};

test('one that could not be taken away is left over as soon as nobody is at it any more', () => {
  const [one, other] = [noteExec(place), noteExec(place)];
  expect(found()).toEqual([]);
  one.leave();
  expect(found()).toEqual([`an exec that nobody is at any more, in container web of kukeon-main: ${one.folder}`]);
  expect(found('/run/other.sock')).toEqual([]);
  other.forget();
  expect(existsSync(other.folder)).toBe(false);
  one.forget();
  expect(found()).toEqual([]);
});
