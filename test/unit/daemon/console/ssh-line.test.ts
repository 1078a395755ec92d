import { expect, test } from 'bun:test';
import { sshCommand } from '../../../../src/daemon/console/ssh-line.ts';

const REMOTE = ['kuke', 'daemon', 'stdio'];

test.each([
  ['ssh://there', ['ssh', '-T', '--', 'there', ...REMOTE]],
  ['ssh://amy@there:2222', ['ssh', '-p', '2222', '-T', '--', 'amy@there', ...REMOTE]],
  ['ssh://amy@[fd00::1]:22/', ['ssh', '-p', '22', '-T', '--', 'amy@fd00::1', ...REMOTE]],
])('%s', (url, command) => expect(sshCommand(url)).toEqual(command));

test.each([
  'there',
  'tcp://there',
  'ssh://',
  'ssh://-oProxyCommand=x',
  'ssh://-l@there',
  'ssh://a b',
  'ssh://there/path',
  'ssh://there:port',
  'ssh://a@b@c',
])('%j is none, and nothing is run for it', url => expect(sshCommand(url)).toBeUndefined());
