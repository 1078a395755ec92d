/**
 * The binary as a CNI plugin (specification 1.1.0, section 2). What VERSION needs is all that is loaded here: it takes a few milliseconds,
 * most of which are Bun's own.
 */
import { VERSIONS } from '../version.ts';
import { answer, type Environment, misunderstood } from './answer.ts';
import { readInput } from './standard-input.ts';

/** Serves one call, and returns the exit status. `called`: the name that the program was called by. */
export async function face(env: Environment, called: string): Promise<number> {
  if (!env.CNI_COMMAND) return introduce(called);
  if (env.CNI_COMMAND !== 'VERSION') return (await import('./executed.ts')).executed(env, called);
  const { status, text } = await readInput().then(
    stdin => answer({ env, called, stdin }),
    (error: unknown) => misunderstood(error, { env, called }),
  );
  console.log(text);
  return status;
}

/** What a person is told who has called the program under a plugin's name. */
function introduce(called: string): number {
  console.error(`${called}: a CNI plugin, built into kuke, for a container runtime to call with CNI_COMMAND and the like set
CNI protocol versions supported: ${VERSIONS.join(', ')}
Kuke's own command line is under the name kuke: see \`kuke cni --help\``);
  return 0;
}
