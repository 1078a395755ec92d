/** Why a container did not start, out of what containerd, its shim and the OCI runtime wrap around it. */
import { KukeError } from 'kuke/plugin';
import { isGrpcError } from '../client/index.ts';
import { asContainerdError } from '../errors.ts';

// `failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: CAUSE: unknown`
const WRAPPING = [
  /^failed to (?:create shim task|start task|create task): /,
  /^OCI runtime \w+ failed: /,
  /^exec failed: /,
  /^(?:runc|crun)(?: \w+ failed)?: /,
  /^unable to start container process: /,
  /^error during container init: /,
];
const STATUS = /: (?:unknown|not found)$/;

// runc: `exec: "x": CAUSE`; crun: ``executable file `x` not found in $PATH: CAUSE``, `open executable: CAUSE`.
export const OF_COMMAND = /^(?:exec: "|executable file `|open executable: )/;
const OF_WORKING_DIRECTORY = /^(?:chdir|mkdir)\b/;

/** `command` and `image` are named in what concerns them. */
export function startFailure(error: unknown, { command, image }: { command: string; image: string }): KukeError {
  if (!isGrpcError(error, 'UNKNOWN')) return asContainerdError(error);
  const cause = causeOf(error.message);
  if (OF_COMMAND.test(cause)) {
    const message = `${command} cannot be run in image ${image}: ${cause}`;
    return new KukeError('CommandNotFound', message, { field: 'command', cause: error });
  }
  const field = OF_WORKING_DIRECTORY.test(cause) ? { field: 'workingDir' } : {};
  return new KukeError('RuntimeFailed', cause, { ...field, cause: error });
}

/** In the words of who failed. */
export function causeOf(message: string): string {
  return WRAPPING.reduce((text, wrapping) => text.replace(wrapping, ''), message.replace(STATUS, ''));
}
