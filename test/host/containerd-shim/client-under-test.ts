/** A client of a containerd of the test file's own, and `ctr` on the same namespace. */
import { afterAll, beforeAll } from 'bun:test';
import { type Client, connect, type GrpcError, isGrpcError } from '../../../plugins/containerd-shim/client/index.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';

export const NAMESPACE = 'client';

export let containerd: Containerd;
export let client: Client;

beforeAll(async () => {
  containerd = await startContainerd();
  client = connect({ socket: containerd.address }).with({ namespace: NAMESPACE });
  await client.namespaces.create({ namespace: { name: NAMESPACE } });
});
afterAll(async () => {
  client.close();
  await containerd.stop();
});

export const ctr = (...args: string[]) => output('ctr', '-n', NAMESPACE, ...args);

export async function failureOf(promise: Promise<unknown>): Promise<GrpcError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    error => error,
  );
  if (!isGrpcError(error)) throw error;
  return error;
}
