/** Numbers in few characters, bars and sparklines. What is not counted is `-`. */

const NONE = '-';
const UNITS = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;

/** `0`, `987`, `1.5Mi`, `128Mi`: at most three digits, six characters. */
export function shortBytes(bytes: number | undefined): string {
  if (bytes === undefined) return NONE;
  let [value, unit] = [Math.max(0, bytes), 0];
  // 999.5 would be shown with four digits.
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${digits(unit === 0 ? Math.round(value) : value)}${UNITS[unit]}`;
}

/** In percent of one CPU: `0.0`, `12.3`, `150`. */
export function percent(part: number | undefined): string {
  if (part === undefined) return NONE;
  return part * 100 >= 99.95 ? (part * 100).toFixed(0) : (part * 100).toFixed(1);
}

/** As the kernel gives it (PSI): `0.0` to `100`. */
export const pressure = (value: number | undefined): string => percent(value === undefined ? undefined : value / 100);

/** `12`, or `12/100`. */
export function count(of: { current: number; limit?: number } | undefined): string {
  return of === undefined ? NONE : of.limit === undefined ? `${of.current}` : `${of.current}/${of.limit}`;
}

function digits(value: number): string {
  return value >= 9.95 ? value.toFixed(0) : value.toFixed(1).replace('.0', '');
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** As wide as `width`, in steps of an eighth of a character; what is more than nothing is seen. */
export function bar(share: number, width: number): string {
  const most = width * 8;
  const full = Math.min(most, Math.max(share > 0 ? 1 : 0, Math.round(share * most)));
  const drawn = '█'.repeat(full >> 3) + (EIGHTHS[full & 7] ?? '');
  return drawn + '·'.repeat(width - drawn.length);
}

const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** The last `width` values, the newest at the right; `top` is what fills a character, if no value is larger. */
export function sparkline(values: readonly (number | undefined)[], width: number, top: number): string {
  const last = values.slice(-width);
  const most = Math.max(top, ...last.map(value => value ?? 0));
  const drawn = last.map(value => {
    if (value === undefined || most <= 0) return ' ';
    return LEVELS[Math.min(LEVELS.length - 1, Math.floor((value / most) * LEVELS.length))] ?? ' ';
  });
  return drawn.join('').padStart(width);
}
