/** The file system of the run path without any room. */
import { statfsSync } from 'node:fs';
import { output } from '../observe/command.ts';

export async function fullDisk(meanwhile: () => Promise<void>): Promise<void> {
  const { blocks, bavail, bsize } = statfsSync('/opt');
  const size = (count: number) => output('mount', '-o', `remount,size=${count * bsize}`, '/opt');
  await size(blocks - bavail);
  try {
    await meanwhile();
  } finally {
    await size(blocks);
  }
}
