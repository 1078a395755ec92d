/** What `kuke doctor` says of the files of state: whether they can be written, and which are of nothing. */
import type { Claims, Finding } from 'kuke/plugin';
import { whyUnwritable } from '../../src/host/writable.ts';
import { asStoreError } from './errors.ts';
import { trustedRoot } from './folders.ts';
import { orphanFolders } from './orphans.ts';

interface Folders {
  runPath: string;
  logFolder: string;
  lockFolder: string;
}

/** Without `claims` nothing is looked for that is left over. */
export async function storeFindings(folders: Folders, claims: Claims | undefined): Promise<Finding[]> {
  const { runPath, logFolder, lockFolder } = folders;
  const unwritable = [runPath, logFolder, lockFolder].flatMap(folder => whyUnwritable(folder) ?? []);
  const findings = [...new Set(unwritable)].map(
    (what): Finding => ({ level: 'error', code: 'HostNotReady', what, remedy: ROOM }),
  );
  try {
    const root = trustedRoot(runPath);
    return claims === undefined ? findings : [...findings, ...(await orphanFolders(root, logFolder, claims))];
  } catch (thrown) {
    const { code, message: what, remedy } = asStoreError(thrown, runPath);
    return [...findings, { level: 'error', code, what, ...(remedy !== undefined && { remedy }) }];
  }
}

const ROOM = 'mount it writable, or free some space there';
