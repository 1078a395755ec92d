/** Resources from files and standard input, all of them valid, or none (spec.md §7). */
import { readFileSync } from 'node:fs';
import { parseDocuments } from '../kernel/documents.ts';
import { KukeError } from '../kernel/errors.ts';
import type { Resource } from '../kernel/kinds.ts';
import { readManifest } from '../kernel/manifest.ts';
import type { Kernel } from '../kernel/registry.ts';

/** Throws InvalidManifest with every fault of every document, each with file, line and column. */
export async function readResources(kernel: Kernel, files: string[]): Promise<Resource[]> {
  const resources: Resource[] = [];
  const faults: KukeError[] = [];
  for (const file of files) {
    const documents = parseDocuments(await readText(file), file === '-' ? 'stdin' : file);
    for (const document of documents) {
      try {
        resources.push(await readManifest(kernel, document.value));
      } catch (thrown) {
        if (!(thrown instanceof KukeError)) throw thrown;
        for (const error of [thrown, ...thrown.also])
          faults.push(located(error, document.locate(error.details.field ?? '')));
      }
    }
  }
  const [first, ...others] = faults;
  if (first !== undefined) throw first.with(others);
  if (resources.length === 0) throw new KukeError('InvalidManifest', `${files.join(', ')}: there is no manifest in it`);
  return resources;
}

function located(error: KukeError, where: string): KukeError {
  return new KukeError(error.code, `${where}: ${error.message}`, error.details);
}

async function readText(file: string): Promise<string> {
  try {
    return file === '-' ? await Bun.stdin.text() : readFileSync(file, 'utf8');
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new KukeError('Usage', `-f ${file}: ${message}`, {
      remedy: 'name a file that can be read, or - for standard input',
    });
  }
}
