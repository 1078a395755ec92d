/** What `kuke doctor` says of containerd: whether it answers, which it is, whether it can run anything, and what is left over there. */
import { type Claims, type Finding, KukeError } from 'kuke/plugin';
import { PATH } from '../../src/host/environment.ts';
import { type Containerd, readOnly } from './containerd.ts';
import { asContainerdError } from './errors.ts';
import { orphansIn } from './orphans.ts';
import { requireOciRuntime } from './runtime/oci-runtime.ts';

/** Without `claims` nothing is looked for that is left over. */
export async function runtimeFindings(containerd: Containerd, claims: Claims | undefined): Promise<Finding[]> {
  const { client, socket } = containerd;
  try {
    const { version } = await readOnly(client).version.version({});
    const what = `containerd ${version.replace(/^v/, '')} answers at ${socket}`;
    return [
      { level: 'ok', code: 'Containerd', what },
      ...missingPrograms(containerd),
      ...(claims === undefined ? [] : await orphansIn(containerd, claims)),
    ];
  } catch (thrown) {
    return [asFinding(asContainerdError(thrown))];
  }
}

/** Without these no container starts. */
function missingPrograms({ runtime }: Containerd): Finding[] {
  const missing: Finding[] = [];
  try {
    requireOciRuntime(runtime);
  } catch (thrown) {
    missing.push(asFinding(asContainerdError(thrown)));
  }
  if (Bun.which(SHIM, { PATH }) === null)
    missing.push(
      asFinding(
        new KukeError('HostNotReady', `${SHIM} is not in ${PATH}`, {
          remedy: 'it comes with containerd: install that whole',
        }),
      ),
    );
  return missing;
}

const SHIM = 'containerd-shim-runc-v2';

function asFinding({ code, message: what, remedy }: KukeError): Finding {
  return { level: 'error', code, what, ...(remedy !== undefined && { remedy }) };
}
