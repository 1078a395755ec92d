/** A tree as `tree` and systemd-cgls draw it, with columns at its right. */
import { cpuTime } from '../describe/lines.ts';
import { printable } from '../output/printable.ts';
import { shortBytes } from '../top/figures.ts';
import type { TreeNode } from './nodes.ts';

const UNICODE = { branch: '├─ ', last: '└─ ', through: '│  ', none: '   ' };
const ASCII = { branch: '|- ', last: '`- ', through: '|  ', none: '   ' };

/** The locale of characters, as setlocale(3) finds it. */
export function isUtf8(env: Readonly<Record<string, string | undefined>>): boolean {
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}

/** Rows for `alignColumns`, the first of them headers. */
export function treeRows(roots: readonly TreeNode[], { utf8 }: { utf8: boolean }): string[][] {
  const marks = utf8 ? UNICODE : ASCII;
  const rows = (nodes: readonly TreeNode[], prefix: string, isTop: boolean): string[][] =>
    nodes.flatMap((node, index) => {
      const isLast = index === nodes.length - 1;
      const own = isTop ? '' : `${prefix}${isLast ? marks.last : marks.branch}`;
      const below = isTop ? '' : `${prefix}${isLast ? marks.none : marks.through}`;
      return [cells(node, own), ...rows(node.children, below, false)];
    });
  return [['NAME', 'STATE', 'ADDRESS', 'MEMORY', 'CPU TIME'], ...rows(roots, '', true)];
}

function cells({ kind, name, state, reason, addresses, memoryBytes, cpuSeconds }: TreeNode, prefix: string): string[] {
  return [
    `${prefix}${kind.toLowerCase()} ${name}`,
    printable(reason === undefined ? state : `${state} (${reason})`),
    printable(addresses ?? ''),
    memoryBytes === undefined ? '' : shortBytes(memoryBytes),
    cpuTime(cpuSeconds === undefined ? undefined : cpuSeconds * 1e6),
  ];
}
