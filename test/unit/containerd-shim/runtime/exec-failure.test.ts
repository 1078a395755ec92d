import { describe, expect, test } from 'bun:test';
import { GrpcError } from '../../../../plugins/containerd-shim/client/index.ts';
import { execFailure } from '../../../../plugins/containerd-shim/runtime/exec-failure.ts';

const of = (message: string, codeName: GrpcError['codeName'] = 'UNKNOWN') =>
  execFailure(new GrpcError(codeName, message, '/Tasks/Start'), 'nope');
const RUNC = 'OCI runtime exec failed: exec failed: unable to start container process: ';
const CRUN = 'OCI runtime exec failed: exec failed: ';

describe('what the runtime says of a process that it could not run, as a shell tells it', () => {
  test.each([
    [`${RUNC}exec: "nope": executable file not found in $PATH: unknown`, 'ProgramNotFound', 127],
    [`${RUNC}exec: "nope": stat nope: no such file or directory: unknown`, 'ProgramNotFound', 127],
    [`${CRUN}executable file \`nope\` not found in $PATH: No such file or directory: unknown`, 'ProgramNotFound', 127],
    [`${RUNC}exec: "nope": permission denied: unknown`, 'ProgramNotExecutable', 126],
    [`${CRUN}open executable: Permission denied: unknown`, 'ProgramNotExecutable', 126],
    [
      `${CRUN}crun: executable file \`nope\` not found in $PATH: No such file or directory: unknown`,
      'ProgramNotFound',
      127,
    ],
    [
      `${RUNC}chdir to cwd ("/x") set in config.json failed: no such file or directory: unknown`,
      'ProgramNotExecutable',
      126,
    ],
  ] as const)('%s', (message, code, exitCode) => {
    expect(of(message)).toMatchObject({ code, exitCode });
    expect(of(message).message).not.toMatch(/OCI runtime|unknown$/);
  });

  test('the folder that is not there is what it names', () => {
    const error = of(`${RUNC}chdir to cwd ("/x") set in config.json failed: no such file or directory: unknown`);
    expect(error.message).toBe('chdir to cwd ("/x") set in config.json failed: no such file or directory');
    expect(error.remedy).toContain('--workdir');
  });

  test('anything else is a failure of the runtime, and what containerd itself says keeps its meaning', () => {
    expect(of('something new')).toMatchObject({ code: 'RuntimeFailed', exitCode: 1, message: 'something new' });
    expect(of('connection error', 'UNAVAILABLE').code).toBe('RuntimeUnavailable');
    expect(of('task x not found', 'NOT_FOUND').code).toBe('NotFound');
  });
});
