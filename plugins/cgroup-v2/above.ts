/**
 * The group that `/kukeon` lies in hands controllers down for its sake, by us and by runc, which hands down all that there are. What it handed
 * down before `/kukeon` came is noted with it, and when `/kukeon` goes, the others are taken back; but not what anybody else uses by then.
 */
import { readdirSync, statSync } from 'node:fs';
import { type Cgroup, children, readIfThere, wordsIfThere, writeInterface } from '../../src/host/cgroupfs/cgroup.ts';
import { SystemError } from '../../src/host/errno.ts';
import { getAttribute, removeAttribute, setAttribute } from './attribute.ts';

const NAME = 'kukeon.before';
const HANDED_DOWN = 'cgroup.subtree_control';
/** What writable files of controllers say that nobody has written to; of another it is taken for granted that somebody has. */
const UNWRITTEN: readonly [file: RegExp, content: RegExp][] = [
  [/\.(?:max|high)$/, /^max(?: 100000)?$/],
  [/weight$/, /^(?:default )?100$/],
  [/\.(?:low|min|nice|burst|idle|group)$/, /^0(?:\.00)?$/],
  [/\.writeback$/, /^1$/],
  [/\.partition$/, /^member$/],
  [/\.class$/, /^no-change$/],
];
/** These say what has happened, or are for writing only. */
const NO_SETTING = /\.(?:pressure|peak|reclaim)$/;

/** Once; before `/kukeon` is made. */
export function noteHandedDown(above: Cgroup): void {
  if (getAttribute(above.path, NAME) !== undefined) return;
  setAttribute(above.path, NAME, wordsIfThere(above, HANDED_DOWN).join(' '));
}

/** After `/kukeon` is gone. */
export function takeBackHandedDown(above: Cgroup): void {
  const before = getAttribute(above.path, NAME)?.split(' ');
  if (before === undefined) return;
  const others = children(above);
  for (const name of wordsIfThere(above, HANDED_DOWN)) {
    if (before.includes(name) || others.some(other => uses(other, name))) continue;
    try {
      writeInterface(above, HANDED_DOWN, `-${name}`);
    } catch (error) {
      // EBUSY: another came to use it this very moment.
      if (!(error instanceof SystemError)) throw error;
    }
  }
  removeAttribute(above.path, NAME);
}

function uses(cgroup: Cgroup, controller: string): boolean {
  if (wordsIfThere(cgroup, HANDED_DOWN).includes(controller)) return true;
  const files = readdirSync(cgroup.path).filter(file => file.startsWith(`${controller}.`) && !NO_SETTING.test(file));
  return files.some(file => {
    const isSetting = ((statSync(`${cgroup.path}/${file}`, { throwIfNoEntry: false })?.mode ?? 0) & 0o200) !== 0;
    const content = isSetting ? (readIfThere(cgroup, file) ?? '') : '';
    const unwritten = UNWRITTEN.find(([name]) => name.test(file))?.[1];
    // hugetlb shows its largest number where others show `max`.
    return content !== '' && !(Number(content) >= 2 ** 62) && !unwritten?.test(content);
  });
}
