/** Why a process could not be run in a container, as a shell tells: it is not there, or it cannot be run. */
import { KukeError } from 'kuke/plugin';
import { isGrpcError } from '../client/index.ts';
import { asContainerdError } from '../errors.ts';
import { causeOf, OF_COMMAND } from './start-failure.ts';

const NOT_THERE = /no such file or directory|executable file (?:`.*` )?not found in \$PATH/i;
const OF_WORKING_DIRECTORY = /\b(?:chdir|cwd|mkdir)\b/;

/** Throws nothing: any thrown value as a KukeError. `program` is what was to be run. */
export function execFailure(error: unknown, program: string): KukeError {
  if (!isGrpcError(error, 'UNKNOWN', 'INTERNAL', 'INVALID_ARGUMENT')) return asContainerdError(error);
  const cause = causeOf(error.message);
  if (OF_WORKING_DIRECTORY.test(cause)) {
    return new KukeError('ProgramNotExecutable', cause, {
      cause: error,
      remedy: words => `give a ${words('--workdir', '`workdir`')} that is a folder in the container`,
    });
  }
  if (!OF_COMMAND.test(cause)) return new KukeError('RuntimeFailed', cause, { cause: error });
  const code = NOT_THERE.test(cause) ? 'ProgramNotFound' : 'ProgramNotExecutable';
  return new KukeError(code, `${program} cannot be run: ${cause}`, { cause: error });
}
