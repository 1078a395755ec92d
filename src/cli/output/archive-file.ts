/** An archive that is written: whole into a file, or not at all; or to standard output. */
import { existsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
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
  return output === '-' ? writeOut(archive, program) : currentConsole().files.save(output, archive);
}

/** Into a file of this process's own. */
export async function saveFile(output: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  // What is no file, such as a pipe or a device, cannot be replaced.
  if (existsSync(output) && !statSync(output).isFile()) return writeInto(output, archive);
  const temporary = `${output}.${process.pid}.part`;
  try {
    await writeInto(temporary, archive);
    await rename(temporary, output);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown instanceof KukeError ? thrown : asFileError(thrown).at({ step: `write ${output}` });
  }
}

async function writeInto(path: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  await using file = await open(path, 'w');
  for await (const chunk of archive) await file.writeFile(chunk);
}

async function writeOut(archive: AsyncIterable<Uint8Array>, program: Program): Promise<void> {
  const { writeBytes } = await currentConsole().streams(program);
  for await (const chunk of archive) if (!(await writeBytes(1, chunk))) return;
}
