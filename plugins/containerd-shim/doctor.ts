/** What `kuke doctor` says of containerd: whether it answers, which it is, whether it can run anything, and what is left over there. */
import { type Claims, type Finding, KukeError } from 'kuke/plugin';
import { PATH } from '../../src/host/environment.ts';
import type { Containerd } from './containerd.ts';
import { asContainerdError } from './errors.ts';
import { orphansIn } from './orphans.ts';
import { leftExecFindings } from './runtime/exec-records.ts';
import { requireOciRuntime } from './runtime/oci-runtime.ts';

/** Without `claims` nothing is looked for that is left over. */
export async function runtimeFindings(containerd: Containerd, claims: Claims | undefined): Promise<Finding[]> {
  const { client, socket } = containerd;
  try {
    const { version } = await client.with({ timeoutMs: ANSWER_LIMIT_MS }).version.version({});
    const what = `containerd ${version.replace(/^v/, '')} answers at ${socket}`;
    return [
      { level: 'ok', code: 'Containerd', what },
      ...missingPrograms(containerd),
      ...leftExecFindings(containerd),
      ...(claims === undefined ? [] : await orphansIn(containerd, claims)),
    ];
  } catch (thrown) {
    const error = asContainerdError(thrown);
    return [asFinding(error.code === 'TimedOut' ? hangs(error) : error)];
  }
}

const hangs = ({ message }: KukeError): KukeError =>
  new KukeError('RuntimeUnavailable', message, {
    remedy: 'restart it: systemctl restart containerd; its containers run on',
  });

/** A tap has ten seconds, and what it has not said by then is not told at all. */
const ANSWER_LIMIT_MS = 5000;

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
