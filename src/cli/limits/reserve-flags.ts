/** The flags by which `kuke init` keeps a share of the host from all of kuke's tree. */
import { cpus, totalmem } from 'node:os';
import type { ArgsDef } from 'citty';
import { KukeError } from '../../kernel/errors.ts';
import { parseQuantity } from '../../kernel/limits/quantity.ts';
import type { Reserve } from '../../kernel/reserve.ts';

export const reserveArgs = {
  'reserve-memory': {
    type: 'string',
    valueHint: 'SIZE',
    description: 'memory that kuke’s tree leaves free: 1Gi, 10%; 0 lifts',
  },
  'reserve-cpu': {
    type: 'string',
    valueHint: 'CPUS',
    description: 'CPUs that kuke’s tree leaves free: 0.5, 25%; 0 lifts',
  },
} as const satisfies ArgsDef;

/** Undefined: no flag says anything. What is more than the host has, is the kernel's to refuse. Throws Usage. */
export function reserveOf(
  args: { [name in keyof typeof reserveArgs]?: string | undefined },
  host = { memory: totalmem(), cpus: cpus().length },
): Reserve | undefined {
  const { 'reserve-memory': memory, 'reserve-cpu': share } = args;
  if (memory === undefined && share === undefined) return undefined;
  return {
    ...(memory !== undefined && { memory: amountOf('--reserve-memory', memory, host.memory, 2 ** -20) }),
    ...(share !== undefined && { cpus: amountOf('--reserve-cpu', share, host.cpus, 100) }),
  };
}

/** A quantity, or `10%` of `all`: no less, to whole MiB and hundredths of a CPU (`parts` of one), unless that would be all. */
function amountOf(flag: string, text: string, all: number, parts: number): number {
  const [, percent] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim()) ?? [];
  if (percent !== undefined) {
    const exact = (Number(percent) / 100) * all;
    const rounded = Math.max(0, Math.ceil(exact * parts - 1e-6)) / parts;
    return rounded < all ? rounded : exact;
  }
  const parsed = parseQuantity(text);
  if ('value' in parsed) return parsed.value;
  const example = flag === '--reserve-cpu' ? '0.5 or 10%' : '1Gi or 10%';
  throw new KukeError('Usage', `${flag}: \`${text}\`: ${parsed.fault}`, { remedy: `give ${flag} such as ${example}` });
}
