/** Quantities as Kubernetes writes them (apimachinery's resource.Quantity): `512Mi`, `1.5G`, `500m`, `1e3`, `+1`, and plain numbers. */

/** Powers of ten. */
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
/** Powers of two. */
const BINARY: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

const QUANTITY = /^\+?(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,2})|([A-Za-z]{0,3}))$/;

const SUFFIXES = Object.keys({ ...DECIMAL, ...BINARY }).join('|');

/** For `pattern` in the metadata of a field. */
export const QUANTITY_PATTERN = `^\\s*\\+?(?=\\.?\\d)\\d*\\.?\\d*(?:[eE][+-]?\\d{1,2}|${SUFFIXES})\\s*$`;

/** What an amount of memory looks like. */
export const SUCH = '512Mi, 1.5G or 1000000';

/** The number that a quantity stands for, or what is wrong with it: `must be ...`. `such`: what others look like. */
export function parseQuantity(given: unknown, such = SUCH): { value: number } | { fault: string } {
  if (typeof given === 'number') return Number.isFinite(given) ? { value: given } : { fault: 'must be a number' };
  const text = typeof given === 'string' ? given.trim() : '';
  const [, whole = '', part = '', exponent, suffix = ''] = QUANTITY.exec(text) ?? [];
  const digits = `${whole}${part}`;
  if (digits === '') {
    return { fault: `must be a quantity${text.startsWith('-') ? ' without a minus' : ''}, such as ${such}` };
  }
  const isBinary = Object.hasOwn(BINARY, suffix);
  if (!isBinary && !Object.hasOwn(DECIMAL, suffix)) {
    const meant = suffix.replace(/b$/i, '').toLowerCase();
    // Nobody who writes `mb` means thousandths.
    const similar = Object.keys({ ...DECIMAL, ...BINARY }).find(
      one => !/^[num]$/.test(one) && one.toLowerCase() === meant,
    );
    const hint = similar !== undefined ? `; did you mean ${text.slice(0, -suffix.length)}${similar}?` : '';
    return { fault: `\`${suffix}\` is no suffix of a quantity: k M G T P E, Ki Mi Gi Ti Pi Ei or m u n${hint}` };
  }
  // In whole numbers, so that 8.2M is 8200000: what is left behind the point is for one conversion to round.
  const factor = isBinary ? 2n ** BigInt(BINARY[suffix] ?? 0) : 1n;
  const power = Number(exponent ?? DECIMAL[suffix] ?? 0) - part.length;
  return { value: Number(`${BigInt(digits) * factor}e${power}`) };
}

/** `512Mi`, `1.5Gi`, `1000`: the shortest that says the same number of bytes. */
export function formatBytes(bytes: number): string {
  const units = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const;
  const size = (unit: string) => 2 ** (BINARY[unit] ?? 0);
  const fitting = units.find(unit => bytes >= size(unit) && (bytes * 100) % size(unit) === 0);
  return fitting === undefined ? String(bytes) : `${bytes / size(fitting)}${fitting}`;
}

/** Of a number of bytes, however it is written: `2048Ki` is `2Mi`. */
export function oneSpelling(given: string): string {
  const parsed = parseQuantity(given);
  return 'value' in parsed ? formatBytes(parsed.value) : given;
}
