/** What `kuke doctor` says of containerd: whether it answers, and which it is. */
import type { Finding } from 'kuke/plugin';
import { type Containerd, readOnly } from './containerd.ts';
import { asContainerdError } from './errors.ts';

export async function runtimeFindings({ client, socket }: Pick<Containerd, 'client' | 'socket'>): Promise<Finding[]> {
  try {
    const { version } = await readOnly(client).version.version({});
    return [{ level: 'ok', what: `containerd ${version.replace(/^v/, '')} answers at ${socket}` }];
  } catch (thrown) {
    const { message: what, remedy } = asContainerdError(thrown);
    return [{ level: 'error', what, ...(remedy !== undefined && { remedy }) }];
  }
}
