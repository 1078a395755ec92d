/** Block devices by their numbers: `254:0` (sysfs-dev-block(5), /sys/dev/block). */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { errnoOf, hasCode } from './errno.ts';
import { asSystemError, systemError } from './libc.ts';

export interface BlockDevice {
  /** `major:minor` */
  number: string;
  /** Of a partition: the disk that it is a part of, `/dev/vda`. */
  disk?: string;
}

/** What a path means; symbolic links are followed. SystemError: ENOENT, ENOTBLK. */
export function blockDevice(path: string): BlockDevice {
  const number = numberOf(path);
  const directory = sysfsOf(number);
  // A node may be left of a device that is gone.
  if (directory === undefined) throw systemError('stat', errnoOf('ENOENT'), `${path} (${number})`);
  const isPartition = read(`${directory}/partition`) !== undefined;
  return isPartition ? { number, disk: `/dev/${nodeOf(dirname(directory))}` } : { number };
}

/** `/dev/vda`; undefined: there is no such device any more. */
export function blockDevicePath(number: string): string | undefined {
  const directory = sysfsOf(number);
  return directory === undefined ? undefined : `/dev/${nodeOf(directory)}`;
}

/** The schedulers that disks use now: `mq-deadline`, `bfq`, `none`. */
export function ioSchedulers(): Set<string> {
  const offered = readdirSync('/sys/block').map(name => read(`/sys/block/${name}/queue/scheduler`) ?? '');
  return new Set(offered.flatMap(line => /\[([^\]]+)\]/.exec(line)?.[1] ?? []));
}

function numberOf(path: string): string {
  try {
    const found = statSync(path);
    if (!found.isBlockDevice()) throw systemError('stat', errnoOf('ENOTBLK'), path);
    // makedev(3): 12 bits of the major above 8 of the minor, the minor's others above both.
    const major = Math.floor(found.rdev / 256) % 4096;
    const minor = (found.rdev % 256) + Math.floor(found.rdev / 2 ** 20) * 256;
    return `${major}:${minor}`;
  } catch (error) {
    throw asSystemError(error, path);
  }
}

function sysfsOf(number: string): string | undefined {
  try {
    return realpathSync(`/sys/dev/block/${number}`);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The name of the node may have a slash (`cciss/c0d0`), for which the directory has an exclamation mark. */
function nodeOf(directory: string): string {
  return /^DEVNAME=(.+)$/m.exec(read(`${directory}/uevent`) ?? '')?.[1] ?? basename(directory);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV', 'EINVAL')) return undefined;
    throw error;
  }
}
