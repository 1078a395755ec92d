/** `kuke doctor`: what of the host is not as the resources have it, what is left over, and how that is put right. */
import type { ActionContext } from './backends/index.ts';
import { CGROUP_ROOT, cgroupPath } from './cgroups.ts';
import { claimsOf } from './claims.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Finding } from './extensible.ts';
import type { Journal } from './journal.ts';
import { journalFindings } from './journal-findings.ts';
import { makeObserveContext, readTree } from './observe.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from './planning.ts';
import type { Kernel } from './registry.ts';
import { reserveFindings } from './reserve-status.ts';
import { describe } from './resource.ts';
import { type EngineOptions, planResource, type Session, withSession } from './session.ts';
import type { ResourceTree } from './tree.ts';

/** As `kuke doctor -o json` prints it. */
export interface Diagnosis extends Omit<Finding, 'fix'> {
  /** `--fix` puts it right. */
  fixable: boolean;
  /** Only after `--fix`, of what was not well before it. */
  fixed?: boolean;
}

/** Codes of what is left over. */
const ORPHAN = /^Orphan/;

const FIX = 'sudo kuke doctor --fix';

/** Changes nothing, and takes no lock: what another kuke is at may be told as a fault, so that kuke is told of as well. */
export async function diagnose(kernel: Kernel, journal: Journal): Promise<Diagnosis[]> {
  return (await look(kernel, journal)).map(diagnosis);
}

/**
 * Undoes or finishes what an earlier kuke left, removes what is left over, and applies what is not as it was applied. Asks nothing. Told
 * are the faults from before, with whether they are gone, and those that have come. Done again, it finds nothing to do.
 */
export async function repair(kernel: Kernel, journal: Journal, options: EngineOptions): Promise<Diagnosis[]> {
  const before = await look(kernel, journal);
  const store = await kernel.use('store');
  // Without an id, or with a damaged one, nothing is known as ours.
  if ((await store.instance().catch(() => undefined)) === undefined) return before.map(diagnosis);
  const seen = new Map(before.map(one => [keyOf(one), one]));
  const failures = new Map<string, KukeError>();
  const context: ActionContext = { signal: options.signal, progress: () => {}, note: options.notice };
  try {
    const after = await withSession(kernel, journal, options, async session => {
      let found = await look(kernel, journal, session);
      // One may have hidden another, as a container does with its snapshot.
      for (let round = 1; round <= ROUNDS && found.some(({ fix }) => fix); round++) {
        for (const one of found) {
          seen.set(keyOf(one), one);
          options.signal.throwIfAborted();
          await one.fix?.(context).catch(thrown => failures.set(keyOf(one), asKukeError(thrown)));
        }
        found = await look(kernel, journal, session);
      }
      // What is stored of others may have come of what is put right by now.
      for (const one of session.tree.all()) if (one.manifest.status?.state !== 'Ready') await session.saveStatus(one);
      return found;
    });
    const left = new Map(after.map(one => [keyOf(one), one]));
    const gone = [...seen].filter(([key, { level }]) => level !== 'ok' && !left.has(key)).map(([, one]) => one);
    return [
      ...gone.map(one => ({ ...diagnosis(one), fixed: true })),
      ...after.map(one => ({
        ...failed(diagnosis(one), failures.get(keyOf(one))),
        ...(one.level !== 'ok' && { fixed: false }),
      })),
    ];
  } catch (thrown) {
    // What keeps kuke from changing anything is among what was found.
    if (thrown instanceof KukeError && seen.values().some(({ code }) => code === thrown.code))
      return before.map(one => ({ ...diagnosis(one), ...(one.level !== 'ok' && { fixed: false }) }));
    throw thrown;
  }
}

const ROUNDS = 3;

const keyOf = ({ code, what }: Finding): string => `${code} ${what}`;

function diagnosis({ fix, ...finding }: Finding): Diagnosis {
  const fixable = fix !== undefined;
  return { ...finding, ...(fixable && finding.remedy === undefined && { remedy: FIX }), fixable };
}

function failed(diagnosis: Diagnosis, failure: KukeError | undefined): Diagnosis {
  if (failure === undefined) return diagnosis;
  const { remedy = diagnosis.remedy } = failure;
  return { ...diagnosis, what: `${diagnosis.what}: ${failure.fault}`, ...(remedy !== undefined && { remedy }) };
}

/** `session`: the lock is held, and what is found can be put right. */
async function look(kernel: Kernel, journal: Journal, session?: Session): Promise<Finding[]> {
  const findings: Finding[] = [];
  const isSetUp = await attempt(findings, async () => (await (await kernel.use('store')).instance()) !== undefined);
  if (!isSetUp) {
    await kernel.hooks.call('doctor', { findings });
    return findings;
  }
  const tree = await readTree(kernel);
  for (const { path, ref, message } of tree.problems)
    findings.push({
      level: 'error',
      code: 'MetadataCorrupt',
      what: `${path}: ${message}`,
      remedy:
        ref === undefined
          ? `if it is not kuke's, move it away: ${path}`
          : `mend it, or remove it (\`rm ${path}\`) and apply the manifest again: what runs is found by its labels`,
    });
  const answers = await runtimeAnswers(kernel);
  const claimed = answers ? await attempt(findings, () => claimsOf(kernel, tree, makeObserveContext(tree))) : undefined;
  const left: Finding[] = [];
  await kernel.hooks.call('doctor', { findings: left, ...(claimed && { claims: claimed.claims }) });
  if (claimed) left.push(...((await attempt(findings, () => orphanGroups(kernel, tree))) ?? []));
  findings.push(...left.map(one => (claimed?.doubt && ORPHAN.test(one.code) ? inDoubt(one, claimed.doubt) : one)));
  findings.push(...((await attempt(findings, () => reserveFindings(kernel.use))) ?? []));
  findings.push(...(await journalFindings(kernel, journal)));
  if (answers) findings.push(...(await resourceFindings(kernel, tree, session)));
  return findings;
}

/** Without a runtime, or with one that hangs, nobody can say what belongs to what. That is the runtime's own plugin to tell. */
async function runtimeAnswers(kernel: Kernel): Promise<boolean> {
  const ping = (await kernel.use('runtime')).ping();
  return Promise.race([
    ping.then(
      () => true,
      () => false,
    ),
    Bun.sleep(ANSWER_LIMIT_MS).then(() => false),
  ]);
}

const ANSWER_LIMIT_MS = 5000;

/** What cannot be found out is a finding; where a plugin has told of it already, or a resource will, that is enough. */
async function attempt<T>(findings: Finding[], ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (thrown) {
    const { code, fault: what, remedy } = asKukeError(thrown);
    if (code === 'MetadataCorrupt')
      findings.push({ level: 'error', code, what, ...(remedy !== undefined && { remedy }) });
    return undefined;
  }
}

function inDoubt({ fix: _, ...finding }: Finding, doubt: string): Finding {
  return { ...finding, remedy: `mend that first: ${doubt}` };
}

/** Those of ours on the levels of resources that are of none; what lies in one goes with it. */
async function orphanGroups(kernel: Kernel, tree: ResourceTree): Promise<Finding[]> {
  const cgroup = await kernel.use('cgroup');
  const own = new Set([CGROUP_ROOT, ...tree.all().map(({ ref }) => cgroupPath(ref))]);
  const levels = Math.max(
    ...kernel.kinds.all().map(kind => (kind.lifecycle ? kernel.kinds.above(kind.kind).length + 1 : 0)),
  );
  const parent = (path: string): string => path.slice(0, path.lastIndexOf('/'));
  return (await cgroup.observe(CGROUP_ROOT))
    .filter(({ path, ours }) => ours && !own.has(path) && own.has(parent(path)))
    .filter(({ path }) => !own.values().some(other => other.startsWith(`${path}/`)))
    .filter(({ path }) => path.split('/').length - 2 <= levels)
    .map(({ path, populated }) => ({
      level: 'error',
      code: 'OrphanCgroup',
      what: `cgroup ${path} is of no resource${populated ? ', and something runs in it' : ''}`,
      fix: context => cgroup.remove({ path }, context),
    }));
}

/** Resources that an apply of what is stored would change something of: their namespace is gone, say, or a container. */
async function resourceFindings(kernel: Kernel, tree: ResourceTree, session: Session | undefined): Promise<Finding[]> {
  const observe = makeObserveContext(tree);
  const options = { verb: 'apply', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
  const findings: Finding[] = [];
  for (const resource of tree.all()) {
    const name = describe(resource.ref);
    try {
      const { plan } = await planResource(kernel, tree, resource, options, observe);
      const steps = [...new Set(plan.steps.map(({ type }) => type))];
      if (steps.length === 0) continue;
      findings.push({
        level: 'error',
        code: 'NotAsApplied',
        what: `${name} is not as it was applied; due: ${steps.join(', ')}`,
        async fix() {
          if (session === undefined) return;
          // Another's repair may have seen to it.
          const fresh = makeObserveContext(session.tree);
          const { plan: due } = await planResource(kernel, session.tree, resource, options, fresh);
          if (due.steps.length > 0) await session.run(due);
          await session.saveStatus(resource);
        },
      });
    } catch (thrown) {
      const { code, message, remedy } = asKukeError(thrown);
      // Told of already, as what they are: a file, the host.
      if (['MetadataCorrupt', 'RuntimeUnavailable', 'HostNotReady'].includes(code)) continue;
      const what = `${name} is not as it was applied, and cannot be: ${message}`;
      findings.push({ level: 'error', code, what, ...(remedy !== undefined && { remedy }) });
    }
  }
  return findings;
}
