/** `kuke doctor`: what of the host is not as the resources have it, what is left over, and how that is put right. */
import { type Ahead, makeAhead, toldOnce } from './ahead.ts';
import type { ActionContext } from './backends/index.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Finding } from './extensible.ts';
import { look, type Sight } from './findings.ts';
import type { Journal } from './journal.ts';
import type { Kernel } from './registry.ts';
import { type EngineOptions, type Session, withSession } from './session.ts';

/** As `kuke doctor -o json` prints it. */
export interface Diagnosis extends Omit<Finding, 'fix' | 'byHand'> {
  /** `--fix` puts it right. */
  fixable: boolean;
  /** Only after `--fix`, of what was not well before it. */
  fixed?: boolean;
}

const FIX = 'sudo kuke doctor --fix';

/** Changes nothing, and takes no lock: what another kuke is at may be told as a fault, so that kuke is told of as well. */
export async function diagnose(kernel: Kernel, journal: Journal): Promise<Diagnosis[]> {
  return (await look(kernel, journal)).findings.map(diagnosis);
}

/**
 * Undoes or finishes what an earlier kuke left, removes what is left over, and applies what is not as it was applied. Asks nothing. Told
 * are the faults from before, with whether they are gone, and those that have come. Done again, it finds nothing to do.
 */
export async function repair(kernel: Kernel, journal: Journal, options: EngineOptions): Promise<Diagnosis[]> {
  const { findings: before } = await look(kernel, journal);
  const store = await kernel.use('store');
  // Without an id, or with a damaged one, nothing is known as ours.
  if ((await store.instance().catch(() => undefined)) === undefined) return before.map(diagnosis);
  const repairs: Repairs = { seen: new Map(), failures: new Map() };
  note(repairs, before);
  const both = toldOnce(options);
  const ahead = makeAhead({ operations: kernel.operations, hooks: kernel.hooks, ...options, note: both.notice });
  const round = () =>
    withSession(kernel, journal, both, session => fixAll(kernel, journal, session, ahead, both, repairs));
  try {
    let after = await round();
    while (ahead.isDue) {
      // What may take long, a pull, keeps nobody from the lock.
      await ahead.run();
      after = await round();
    }
    return told(repairs, after);
  } catch (thrown) {
    // What keeps kuke from changing anything is among what was found.
    if (thrown instanceof KukeError && repairs.seen.values().some(({ code }) => code === thrown.code))
      return before.map(one => ({ ...diagnosis(one), ...isFixed(one, false) }));
    throw thrown;
  }
}

/** The same in a dry run: what would be put right is noted there, and nothing is done. */
export async function foreseeRepair(kernel: Kernel, journal: Journal, options: EngineOptions): Promise<Diagnosis[]> {
  const { findings: before } = await look(kernel, journal);
  const store = await kernel.use('store');
  if ((await store.instance().catch(() => undefined)) === undefined) return before.map(diagnosis);
  const failures = new Map<string, KukeError>();
  const ahead = makeAhead({ operations: kernel.operations, hooks: kernel.hooks, ...options, note: options.notice });
  const context: ActionContext = { signal: options.signal, progress: () => {}, note: options.notice };
  await withSession(kernel, journal, options, async session => {
    const { findings } = await look(kernel, journal, { session, ahead });
    for (const one of findings) {
      const { code: type, what, byHand, resource } = one;
      if (byHand)
        kernel.dryRun?.note({ resource: 'host', type, params: { name: what }, explain: async () => byHand() });
      // Of a resource all that is done is steps of a plan.
      else if (resource !== undefined)
        await one.fix?.(context).catch(thrown => failures.set(keyOf(one), asKukeError(thrown)));
    }
  });
  return before.map(one => failed(diagnosis(one), failures.get(keyOf(one))));
}

interface Repairs {
  /** All that was found so far, as it was told last. */
  seen: Map<string, Finding>;
  failures: Map<string, KukeError>;
}

/** One that is about a resource may be told otherwise each time, as more or less of it is due. */
const keyOf = ({ code, what, resource }: Finding): string => resource ?? `${code} ${what}`;

const keysOf = (findings: readonly Finding[]): string => findings.map(keyOf).sort().join('\n');

function note({ seen }: Repairs, findings: readonly Finding[]): void {
  for (const one of findings) seen.set(keyOf(one), one);
}

const ROUNDS = 3;

async function fixAll(
  kernel: Kernel,
  journal: Journal,
  session: Session,
  ahead: Ahead,
  options: EngineOptions,
  repairs: Repairs,
): Promise<Sight> {
  const context: ActionContext = { signal: options.signal, progress: () => {}, note: options.notice };
  let sight = await look(kernel, journal, { session, ahead });
  // One may have hidden another, as a container does with its snapshot.
  for (let [round, before] = [1, '']; round <= ROUNDS && keysOf(sight.findings) !== before; round++) {
    before = keysOf(sight.findings);
    note(repairs, sight.findings);
    for (const one of sight.findings) {
      options.signal.throwIfAborted();
      if (one.fix) await kernel.hooks.call('repair:before', { finding: one });
      await one.fix?.(context).catch(thrown => repairs.failures.set(keyOf(one), asKukeError(thrown)));
    }
    if (sight.findings.some(({ fix }) => fix)) sight = await look(kernel, journal, { session, ahead });
  }
  // What is stored of others may have come of what is put right by now.
  for (const one of session.tree.all()) if (one.manifest.status?.state !== 'Ready') await session.saveStatus(one);
  return sight;
}

/** What is not found any more has been put right, unless nobody could look. */
function told({ seen, failures }: Repairs, { findings, isWhole, unseen }: Sight): Diagnosis[] {
  const left = new Set(findings.map(keyOf));
  const gone = [...seen].flatMap(([key, one]) => {
    if (one.level === 'ok' || left.has(key)) return [];
    const fixed = isWhole && !unseen.has(key);
    return [{ ...failed(diagnosis(one), fixed ? undefined : failures.get(key)), fixed }];
  });
  const stay = findings.map(one => ({ ...failed(diagnosis(one), failures.get(keyOf(one))), ...isFixed(one, false) }));
  return [...gone, ...stay];
}

const isFixed = ({ level }: Finding, fixed: boolean) => level !== 'ok' && { fixed };

function diagnosis({ fix, byHand: _, ...finding }: Finding): Diagnosis {
  const fixable = fix !== undefined;
  return { ...finding, ...(fixable && finding.remedy === undefined && { remedy: FIX }), fixable };
}

function failed(diagnosis: Diagnosis, failure: KukeError | undefined): Diagnosis {
  if (failure === undefined) return diagnosis;
  const { remedy = diagnosis.remedy } = failure;
  return { ...diagnosis, what: `${diagnosis.what}: ${failure.fault}`, ...(remedy !== undefined && { remedy }) };
}
