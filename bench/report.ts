/** The part of docs/benchmarks.md that a run writes, and the plot beside it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plot } from './plot.ts';
import { readResult } from './results.ts';
import { format, type Table } from './table.ts';

const docs = join(import.meta.dir, '../docs');
const page = join(docs, 'benchmarks.md');
const BEGIN = '<!-- written by `bun run bench --write` -->';
const END = '<!-- until here -->';

/** In the plot: what users wait for. */
const PLOTTED = ['pods', 'fifty', 'crowd', 'start', 'pull'];

export function writeReport(names: readonly string[]): void {
  const seen = names.flatMap(name => {
    const result = readResult(name);
    return result === undefined ? [] : [{ name, result }];
  });
  const sections = seen.map(({ name, result: { when, machine, load, tables } }) => {
    const where = `\`${name}\`, ${when}, ${machine}; load average ${load[0].toFixed(1)} before, ${load[1].toFixed(1)} after.`;
    return `${tables.map(format).join('\n')}\n${where}\n`;
  });
  const text = readFileSync(page, 'utf8');
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${page} lacks the lines ${BEGIN} and ${END}`);
  const written = [text.slice(0, before + BEGIN.length), ...sections, text.slice(after)].join('\n\n');
  writeFileSync(page, written.replace(/\n{3,}/g, '\n\n'));
  const plotted = seen
    .filter(({ name }) => PLOTTED.includes(name))
    .flatMap(({ result }) => result.tables.filter(isTime));
  writeFileSync(
    join(docs, 'benchmarks.svg'),
    plot(plotted, row => !/runc|ctr|podman|CRI|empty/.test(row)),
  );
}

const isTime = ({ unit }: Table): boolean => unit.startsWith('ms');
