/** Small files of the administrator's: configurations and certificates. */
import { readFileSync, statSync } from 'node:fs';
import { RegistryError } from './errors.ts';

// A system's bundle of CAs has a quarter of it.
const most = 1 << 20;

/** The file's text; undefined where there is none. Throws RegistryError `configuration`. */
export function readText(path: string): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > most) throw new Error(`it has ${size} bytes`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^(?:ENOENT|ENOTDIR)$/.test(String(error.code))) return undefined;
    const fault = error instanceof Error ? error.message : String(error);
    throw new RegistryError('configuration', `cannot read ${path}: ${fault}`, { remedy: `mend ${path}`, cause: error });
  }
}
