/** An archive that is written: whole into a file, or not at all; or to standard output. */
import { KukeError } from '../../kernel/errors.ts';
import { asFileError } from '../../kernel/file-errors.ts';
import type { Program } from '../command.ts';
import { currentConsole } from '../console/console.ts';
import { isTerminal } from './terminal.ts';

/** Throws Usage where nobody could read it. */
export async function requireReader(output: string): Promise<void> {
  if (output === '-') {
    if (!isTerminal(1)) return;
    throw new KukeError('Usage', '-o -: standard output is your terminal', { remedy: 'send it to a file or a pipe' });
  }
  const remedy = 'name a file in a folder that is there';
  const { what, hasFolder } = await currentConsole().files.look(output);
  if (!hasFolder) throw new KukeError('Usage', `-o ${output}: no such folder`, { remedy });
  if (what === 'folder') throw new KukeError('Usage', `-o ${output}: is a folder`, { remedy });
}

export async function saveTo(output: string, archive: AsyncIterable<Uint8Array>, program: Program): Promise<void> {
  return output === '-' ? writeOut(archive, program) : currentConsole().files.save(output, archive, program);
}

/** Into a file of this process's own. */
export async function saveFile(
  output: string,
  archive: AsyncIterable<Uint8Array>,
  program: Pick<Program, 'writeStreamed'>,
): Promise<void> {
  const writeStreamed = await program.writeStreamed();
  try {
    await writeStreamed(output, archive);
  } catch (thrown) {
    throw thrown instanceof KukeError ? thrown : asFileError(thrown);
  }
}

async function writeOut(archive: AsyncIterable<Uint8Array>, program: Program): Promise<void> {
  const { writeBytes } = await currentConsole().streams(program);
  for await (const chunk of archive) if (!(await writeBytes(1, chunk))) return;
}
