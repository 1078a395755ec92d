/** Quantities as Kubernetes writes them (apimachinery's resource.Quantity): `512Mi`, `1.5G`, `500m`, `1e3`, and plain numbers. */

const SUFFIXES: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY = /^(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d{1,2})|([A-Za-z]{0,3}))$/;

/** The number that a quantity stands for, or what is wrong with it: `must be ...`. */
export function parseQuantity(given: unknown): { value: number } | { fault: string } {
  if (typeof given === 'number') return Number.isFinite(given) ? { value: given } : { fault: 'must be a number' };
  const text = typeof given === 'string' ? given.trim() : '';
  const [, digits = '', exponent, suffix = ''] = QUANTITY.exec(text) ?? [];
  if (digits === '') {
    const sign = /^[+-]/.test(text) ? ' without a sign' : '';
    return { fault: `must be a quantity${sign}, such as 512Mi, 1.5G or 1000000` };
  }
  const factor = exponent === undefined ? (Object.hasOwn(SUFFIXES, suffix) ? SUFFIXES[suffix] : undefined) : 1;
  if (factor === undefined) {
    const meant = suffix.replace(/b$/i, '').toLowerCase();
    // Nobody who writes `mb` means thousandths.
    const similar = Object.keys(SUFFIXES).find(one => one !== 'm' && one.toLowerCase() === meant);
    const hint = similar !== undefined ? `; did you mean ${digits}${similar}?` : '';
    return { fault: `\`${suffix}\` is no suffix of a quantity: k M G T P E, Ki Mi Gi Ti Pi Ei or m${hint}` };
  }
  return { value: Number(exponent === undefined ? digits : `${digits}e${exponent}`) * factor };
}

/** `512Mi`, `1.5Gi`, `1000`: the shortest that says the same number of bytes. */
export function formatBytes(bytes: number): string {
  const units = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const;
  const fitting = units.find(unit => bytes >= (SUFFIXES[unit] ?? 1) && (bytes * 100) % (SUFFIXES[unit] ?? 1) === 0);
  return fitting === undefined ? String(bytes) : `${bytes / (SUFFIXES[fitting] ?? 1)}${fitting}`;
}
