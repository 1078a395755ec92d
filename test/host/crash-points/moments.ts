/** Which moments of a command it is killed at: each in a run of its own. */

/** Prime to nothing in particular: each command begins at another one, so that all have their turn. */
const STRIDE = process.env.KUKE_TEST_POINTS === 'all' ? 1 : 3;

/** 1, 2, 3, ... or every so-manieth of them, beginning at another one for each `index`. */
export function* momentsOf(index: number): Generator<number, never> {
  for (let moment = 1 + (index % STRIDE); ; moment += STRIDE) yield moment;
}

export interface Coverage {
  name: string;
  /** How many moments it was killed at. */
  killed: number;
  /** The last of them. */
  last: number;
}

export function tell(covered: readonly Coverage[]): void {
  const all = covered.reduce((sum, { killed }) => sum + killed, 0);
  const each = covered.map(({ name, killed, last }) => `${name} ${killed} of ${last}`).join(', ');
  console.log(`killed at ${all} moments: ${each}`);
}
