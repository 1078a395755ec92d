import { describe, expect, test } from 'bun:test';
import { GrpcError } from '../../../../plugins/containerd-shim/client/index.ts';
import { startFailure } from '../../../../plugins/containerd-shim/runtime/start-failure.ts';

const of = (message: string, codeName: GrpcError['codeName'] = 'UNKNOWN') =>
  startFailure(new GrpcError(codeName, message, '/Tasks/Create'), { command: 'nope', image: 'web:1' });
const RUNC = 'failed to create shim task: OCI runtime create failed: runc create failed: ';

describe('what the runtime says of a failed start', () => {
  test.each([
    [
      `${RUNC}unable to start container process: exec: "nope": executable file not found in $PATH: unknown`,
      'exec: "nope": executable file not found in $PATH',
    ],
    [
      `${RUNC}unable to start container process: error during container init: exec: "nope": permission denied: unknown`,
      'exec: "nope": permission denied',
    ],
    [
      'failed to create shim task: OCI runtime create failed: crun: executable file `nope` not found in $PATH: No such file or directory: unknown',
      'executable file `nope` not found in $PATH: No such file or directory',
    ],
    [
      'failed to create shim task: OCI runtime create failed: crun: open executable: Permission denied: unknown',
      'open executable: Permission denied',
    ],
  ])('%s', (message, cause) => {
    expect(of(message)).toMatchObject({
      code: 'CommandNotFound',
      message: `nope cannot be run in image web:1: ${cause}`,
      details: { field: 'command' },
    });
  });

  test('of the working directory', () => {
    const message = `${RUNC}unable to start container process: error during container init: mkdir /etc/passwd: not a directory: unknown`;
    expect(of(message)).toMatchObject({
      code: 'RuntimeFailed',
      message: 'mkdir /etc/passwd: not a directory',
      details: { field: 'workingDir' },
    });
  });

  test('of anything else, in its own words', () => {
    expect(of(`${RUNC}invalid netns path: stat /run/netns/x: no such file or directory: unknown`)).toMatchObject({
      code: 'RuntimeFailed',
      message: 'invalid netns path: stat /run/netns/x: no such file or directory',
    });
    expect(of('something new')).toMatchObject({ code: 'RuntimeFailed', message: 'something new' });
  });

  test('what containerd itself says keeps its meaning', () => {
    expect(of('connection error', 'UNAVAILABLE').code).toBe('RuntimeUnavailable');
    expect(of('container "x" in namespace "y": not found', 'NOT_FOUND').code).toBe('NotFound');
  });
});
