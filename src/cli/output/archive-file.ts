/** An archive that is written: whole into a file, or not at all; or to standard output. */
import { existsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KukeError } from '../../kernel/errors.ts';
import { asFileError } from '../../kernel/file-errors.ts';
import { isTerminal } from './terminal.ts';

/** Throws Usage where nobody could read it. */
export function requireReader(output: string): void {
  if (output === '-') {
    if (!isTerminal(1)) return;
    throw new KukeError('Usage', '-o -: standard output is your terminal', { remedy: 'send it to a file or a pipe' });
  }
  const remedy = 'name a file in a folder that is there';
  if (!existsSync(dirname(output))) throw new KukeError('Usage', `-o ${output}: no such folder`, { remedy });
  if (existsSync(output) && statSync(output).isDirectory())
    throw new KukeError('Usage', `-o ${output}: is a folder`, { remedy });
}

export async function saveTo(output: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  if (output === '-') return writeOut(archive);
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

async function writeOut(archive: AsyncIterable<Uint8Array>): Promise<void> {
  const writer = Bun.stdout.writer();
  for await (const chunk of archive) {
    writer.write(chunk);
    await writer.flush();
  }
  await writer.end();
}
