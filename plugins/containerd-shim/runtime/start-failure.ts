/** Why a container did not start, out of what containerd, its shim and the OCI runtime wrap around it. */
import { KukeError } from 'kuke/plugin';
import { isGrpcError } from '../client/index.ts';
import { asContainerdError } from '../errors.ts';

// `failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: CAUSE: unknown`
const WRAPPING = [
  /^failed to (?:create shim task|start task|create task): /,
  /^OCI runtime \w+ failed: /,
  /^(?:runc|crun)(?: \w+ failed)?: /,
  /^unable to start container process: /,
  /^error during container init: /,
];
const STATUS = /: (?:unknown|not found)$/;

/** runc: `exec: "/x": stat /x: no such file or directory`; crun: ``executable file `/x` not found: No such file or directory``. */
const COMMAND =
  /^(?:exec: "(?<runc>(?:[^"\\]|\\.)*)": .*|(?:executable file|cannot execute) `(?<crun>.*)`.*|.*`(?<other>[^`]*)`: .*executable.*)$/;
const WORKING_DIRECTORY = /^(?:chdir to cwd|chdir|mkdir) /;

/** `image` is named in what concerns it. */
export function startFailure(error: unknown, image: string): KukeError {
  if (!isGrpcError(error)) return asContainerdError(error);
  const cause = unwrapped(error.message);
  const command = COMMAND.exec(cause)?.groups;
  if (command !== undefined) {
    const name = command.runc ?? command.crun ?? command.other ?? '';
    return new KukeError('CommandNotFound', `${name} cannot be run in image ${image}: ${cause}`, {
      field: 'command',
      cause: error,
    });
  }
  if (error.codeName !== 'UNKNOWN') return asContainerdError(error);
  return new KukeError('RuntimeFailed', cause, {
    ...(WORKING_DIRECTORY.test(cause) && { field: 'workingDir' }),
    cause: error,
  });
}

function unwrapped(message: string): string {
  let text = message.replace(STATUS, '');
  for (const wrapping of WRAPPING) text = text.replace(wrapping, '');
  return text;
}
