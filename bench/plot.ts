/** Tables as one SVG: a bar a row, as long as its median, with a line from the 10th to the 90th percentile. Readable on light and on dark. */
import { median, number, quantile, type Table, verdicts } from './table.ts';

const WIDTH = 860;
const LABEL = 250;
const BAR = 430;
const ROW = 20;
const HEAD = 34;

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.note { fill: #57606a; font-size: 11px }
.bar { fill: #8c959f }
.own { fill: #0969da }
.spread { stroke: #24292f; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #8b949e } .bar { fill: #6e7681 } .own { fill: #58a6ff } .spread { stroke: #e6edf3 }
}`;

const TITLE = 'What kuke costs, beside others';

/** `isOwn`: whose bars stand out. */
export function plot(tables: readonly Table[], isOwn: (row: string) => boolean): string {
  let y = 0;
  const parts = tables.map(table => {
    const part = panel(table, y, isOwn);
    y += HEAD + table.rows.length * ROW + 8;
    return part;
  });
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n<title>${TITLE}</title>\n<style>${STYLE}\n</style>\n${parts.join('\n')}\n</svg>\n`;
}

function panel(table: Table, top: number, isOwn: (row: string) => boolean): string {
  const longest = Math.max(...table.rows.map(({ samples }) => quantile(samples, 0.9)), 1e-9);
  const x = (value: number) => LABEL + (Math.max(0, value) / longest) * BAR;
  const at = (value: number) => x(value).toFixed(1);
  const rows = table.rows.map((row, index) => {
    const y = top + HEAD + index * ROW;
    const middle = y + ROW / 2 - 2;
    const missed = verdicts(table, row).some(({ reached }) => !reached);
    const ends = [quantile(row.samples, 0.1), quantile(row.samples, 0.9)] as const;
    const value = `${number(median(row.samples))}${missed ? ' (goal missed)' : ''}`;
    return [
      `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${escaped(row.what)}</text>`,
      `<rect class="bar${isOwn(row.what) ? ' own' : ''}" x="${LABEL}" y="${y}" width="${(x(median(row.samples)) - LABEL).toFixed(1)}" height="${ROW - 4}" rx="2"/>`,
      `<path class="spread" d="M${at(ends[0])} ${middle}H${at(ends[1])}"/>`,
      `<text class="note" x="${(x(Math.max(...ends)) + 6).toFixed(1)}" y="${middle + 4}">${escaped(value)}</text>`,
    ].join('');
  });
  const title = `<text class="title" x="8" y="${top + 20}">${escaped(table.title)} (${escaped(table.unit)})</text>`;
  return [title, ...rows].join('\n');
}

const escaped = (text: string): string =>
  text.replaceAll('`', '').replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`);
