import { expect, test } from 'bun:test';
import { KukeError } from 'kuke/plugin';
import { ConnectError, GrpcError } from '../../../plugins/containerd-shim/client/index.ts';
import { asContainerdError, ifFound } from '../../../plugins/containerd-shim/errors.ts';

const grpc = (codeName: GrpcError['codeName']) => new GrpcError(codeName, "containerd's words", '/Service/Method');

test.each([
  ['NOT_FOUND', 'NotFound'],
  ['ALREADY_EXISTS', 'Conflict'],
  ['FAILED_PRECONDITION', 'Conflict'],
  ['UNAVAILABLE', 'RuntimeUnavailable'],
  ['CANCELLED', 'Cancelled'],
  ['DEADLINE_EXCEEDED', 'TimedOut'],
  ['INTERNAL', 'RuntimeFailed'],
  ['UNKNOWN', 'RuntimeFailed'],
] as const)('%s is %s, with the words and the step', (codeName, code) => {
  expect(asContainerdError(grpc(codeName), { step: 'start container a' })).toMatchObject({
    code,
    message: "containerd: containerd's words",
    details: { step: 'start container a' },
  });
});

test('a socket where nobody listens says what to do', () => {
  const absent = asContainerdError(new ConnectError('/run/x.sock', 'ENOENT', 'no such file or directory', undefined));
  expect(absent.code).toBe('RuntimeUnavailable');
  expect(absent.message).toContain('/run/x.sock: no such file or directory (ENOENT)');
  expect(absent.remedy).toContain('kuke init');
  const closed = asContainerdError(new ConnectError('/run/x.sock', 'EACCES', 'permission denied', undefined));
  expect(closed.remedy).toContain('sudo');
});

test('what is a KukeError keeps what it says', () => {
  const error = new KukeError('InvalidImage', 'words', { step: 'unpack' });
  expect(asContainerdError(error, { step: 'create', resource: 'cell a' })).toMatchObject({
    code: 'InvalidImage',
    message: 'words',
    details: { step: 'unpack', resource: 'cell a' },
  });
});

test('ifFound passes on everything but what is not there', async () => {
  expect(await ifFound(Promise.resolve(1))).toBe(1);
  expect(await ifFound(Promise.reject(grpc('NOT_FOUND')))).toBeUndefined();
  await expect(ifFound(Promise.reject(grpc('UNKNOWN')))).rejects.toThrow("containerd's words");
});
