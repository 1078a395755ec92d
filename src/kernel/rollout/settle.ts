/** What comes once all is applied, where somebody waits for it: until it is Ready, or all of it is as it was before. */
import type { Outcome } from '../apply.ts';
import { asKukeError, KukeError } from '../errors.ts';
import type { Kernel } from '../registry.ts';
import { untilReady, type Waiting } from './ready.ts';

export interface SettleOptions {
  /** How long it may take until all are Ready; 0: look once. */
  timeoutMs: number;
  /** What does not become Ready, or was not applied, is taken back with all the rest. */
  isAtomic: boolean;
}

export interface Settling extends SettleOptions, Waiting {
  /** As `takeBack`. Called off by nobody: what is half taken back is of no use. */
  goBack(): Promise<Outcome[]>;
}

export interface Settled {
  /** What keeps those that were applied from being Ready. */
  error?: KukeError;
  /** What became of all that was applied; absent: it stays. */
  takenBack?: Outcome[];
}

export async function settle(kernel: Kernel, outcomes: readonly Outcome[], settling: Settling): Promise<Settled> {
  const { isAtomic, goBack } = settling;
  if (isAtomic && outcomes.some(({ error }) => error !== undefined)) return { takenBack: await goBack() };
  const applied = outcomes
    .filter(({ result }) => result !== 'failed' && result !== 'not applied')
    .map(({ ref }) => ref);
  const failures = await untilReady(kernel, applied, settling).catch((thrown: unknown) => [asKukeError(thrown)]);
  const [first, ...others] = failures;
  if (first === undefined) return {};
  if (!isAtomic) return { error: first.with(others) };
  const takenBack = await goBack().catch((thrown: unknown) => {
    throw first.with([...others, asKukeError(thrown)]);
  });
  const details = { ...first.details, remedy: toldBack(takenBack) };
  return { takenBack, error: new KukeError(first.code, first.message, details, [...first.also, ...others]) };
}

/** Whether all is as it was. */
export const toldBack = (takenBack: readonly Outcome[]): string =>
  takenBack.every(({ error }) => error === undefined)
    ? 'what was applied has been taken back'
    : 'not all that was applied could be taken back: see what failed besides';
