/** Which moments of a command it is killed at: each in a run of its own. */

const isAll = process.env.KUKE_TEST_POINTS === 'all';

/** 1, 2, 3, ... or every so-manieth of them, beginning at another one for each `index`. */
export function* momentsOf(index: number, stride = 3): Generator<number, never> {
  const every = isAll ? 1 : stride;
  for (let moment = 1 + (index % every); ; moment += every) yield moment;
}

/** In milliseconds: so long after a step has begun it is in the middle of what takes longest, on most machines. */
const MIDDLE = 5;

export interface Point {
  moment: number;
  /** Milliseconds after it: in the middle of a step. */
  after: number;
}

/** Of each moment the moment itself, and one in the middle of what comes after it. `stride` is odd: both come in turn. */
export function* pointsOf(index: number, stride: number): Generator<Point, undefined> {
  for (const point of momentsOf(index, stride))
    yield { moment: Math.ceil(point / 2), after: point % 2 === 1 ? 0 : MIDDLE };
  return undefined;
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
