/**
 * Text in columns; as wide as the widest cell, two spaces between, nothing behind the last. `widths` are those at least, and what they came to
 * afterwards: for rows that are shown one after another.
 */
export function alignColumns(rows: readonly (readonly string[])[], widths: number[] = []): string {
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, Bun.stringWidth(cell));
  }
  const pad = (cell: string, index: number): string => cell + ' '.repeat((widths[index] ?? 0) - Bun.stringWidth(cell));
  return rows.map(row => row.map(pad).join('  ').trimEnd()).join('\n');
}
