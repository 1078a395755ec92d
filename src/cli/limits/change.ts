/** `spec.resources` of a manifest with some of its limits changed. */
import { parseQuantity } from '../../kernel/limits/quantity.ts';
import type { LimitChange } from './flags.ts';

type Fields = Record<string, unknown>;

/**
 * What is not named stays as it is written. Undefined: no limit is left. `resources` has the shape that its schema asks for.
 */
export function changeLimits(resources: unknown, changes: readonly LimitChange[]): Fields | undefined {
  const tree = devicesByPath(structuredClone(isFields(resources) ? resources : {}));
  for (const { keys, value } of changes) changeAt(tree, keys, value);
  const left = withoutEmpty(devicesInList(tree));
  return Object.keys(left).length === 0 ? undefined : left;
}

function changeAt(fields: Fields, [first = '', ...rest]: readonly string[], value: string | undefined): void {
  const key = spelling(fields, first);
  const inner = fields[key];
  if (rest.length > 0) {
    const below = isFields(inner) ? inner : {};
    if (inner !== below && value === undefined) return;
    fields[key] = below;
    changeAt(below, rest, value);
  } else if (value === undefined) delete fields[key];
  else if (!isSame(inner, value)) fields[key] = plain(value);
}

/** Sizes of huge pages are keys: `2Mi` may stand there as `2048Ki`. */
const spelling = (fields: Fields, key: string): string => Object.keys(fields).find(one => isSame(one, key)) ?? key;

/** The same quantity, however it is written: then the manifest's own spelling stays. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  const [a, b] = [parseQuantity(one), parseQuantity(other)];
  return 'value' in a && 'value' in b && a.value === b.value;
}

/** `100` as people write it in YAML; `512Mi` and `0-3` as text. */
function plain(value: string): string | number {
  return /^\d+(\.\d+)?$/.test(value) && String(Number(value)) === value ? Number(value) : value;
}

/** As one map, so that each rate has a path of keys. */
function devicesByPath(resources: Fields): Fields {
  const { io } = resources;
  if (!isFields(io) || !Array.isArray(io.devices)) return resources;
  const devices = io.devices.filter(isFields).map(({ path, ...rates }) => [String(path), rates]);
  return { ...resources, io: { ...io, devices: Object.fromEntries(devices) } };
}

function devicesInList(resources: Fields): Fields {
  const { io } = resources;
  if (!isFields(io) || !isFields(io.devices)) return resources;
  const devices = Object.entries(withoutEmpty(io.devices)).map(([path, rates]) => ({ path, ...Object(rates) }));
  return { ...resources, io: { ...io, devices } };
}

/** A section without limits goes with its last one. */
function withoutEmpty(fields: Fields): Fields {
  const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  const inner = Object.entries(fields).map(([key, value]) => [key, isFields(value) ? withoutEmpty(value) : value]);
  return Object.fromEntries(inner.filter(([, value]) => !isEmpty(value)));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
