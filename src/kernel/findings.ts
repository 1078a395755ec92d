/** What `kuke doctor` finds: asked of the tree, of plugins, of the journal, and of each resource. */
import type { Ahead } from './ahead.ts';
import { claimsOf } from './claims.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Finding } from './extensible.ts';
import type { Journal } from './journal.ts';
import { journalFindings, lockState } from './journal-findings.ts';
import { handFindings } from './limits/hand-findings.ts';
import { makeObserveContext, readTree } from './observe.ts';
import { orphanGroups } from './orphan-groups.ts';
import type { Kernel } from './registry.ts';
import { reserveFindings } from './reserve-status.ts';
import { type ResourceFindings, resourceFindings } from './resource-findings.ts';
import type { Session } from './session.ts';
import { treeFindings } from './tree-findings.ts';

export interface Sight {
  findings: Finding[];
  /** False: somebody could not look at his part; what he could not tell is told as a finding. */
  isWhole: boolean;
  /** Resources that could not be looked at: `cell main/default/blog/web`. */
  unseen: ReadonlySet<string>;
}

/** The lock is held, and what is found can be put right; what takes long `ahead` of it. */
export interface Repairing {
  session: Session;
  ahead: Ahead;
}

/** Codes of what is left over. */
const ORPHAN = /^Orphan/;

/**
 * Without the lock another kuke may begin and end meanwhile, and what it was at is no fault: then it is looked again, and when kukes follow one
 * upon the other, that is told.
 */
export async function look(kernel: Kernel, journal: Journal, repairing?: Repairing): Promise<Sight> {
  if (repairing !== undefined) return lookOnce(kernel, journal, repairing);
  const turn = async () => (await lockState(kernel).catch(() => undefined))?.turn;
  for (let times = 1; ; times++) {
    const before = await turn();
    const sight = await lookOnce(kernel, journal);
    if (before === (await turn())) return sight;
    if (times < LOOKS) continue;
    const isTold = sight.findings.some(({ code }) => code === BUSY.code);
    return { ...sight, findings: [...sight.findings, ...(isTold ? [] : [BUSY])] };
  }
}

const LOOKS = 3;
const BUSY: Finding = {
  level: 'warning',
  code: 'Busy',
  what: 'other kukes were at work all the while, and what they were at may be told here as a fault',
  remedy: 'run it again when they have ended',
};

async function lookOnce(kernel: Kernel, journal: Journal, repairing?: Repairing): Promise<Sight> {
  const findings: Finding[] = [];
  const failures: KukeError[] = [];
  const attempt = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (thrown) {
      failures.push(asKukeError(thrown));
      return undefined;
    }
  };
  const isSetUp = await attempt(async () => (await (await kernel.use('store')).instance()) !== undefined);
  if (!isSetUp) {
    failures.push(...(await kernel.hooks.call('doctor', { findings })));
    return seen(findings, failures);
  }
  // A kuke that is at work now may have ended when its half-made things have been looked at.
  const lock = await lockState(kernel);
  const tree = await readTree(kernel);
  const observe = makeObserveContext(tree);
  findings.push(...treeFindings(kernel, tree));
  const silence = await runtimeSilence(kernel);
  if (silence !== undefined) failures.push(silence);
  const claimed = silence === undefined ? await attempt(() => claimsOf(kernel, tree, observe)) : undefined;
  const left: Finding[] = [];
  failures.push(...(await kernel.hooks.call('doctor', { findings: left, ...(claimed && { claims: claimed.claims }) })));
  if (claimed) left.push(...((await attempt(() => orphanGroups(kernel, tree))) ?? []));
  findings.push(...left.map(one => (claimed?.doubt && ORPHAN.test(one.code) ? inDoubt(one, claimed.doubt) : one)));
  findings.push(...((await attempt(() => reserveFindings(kernel.use))) ?? []));
  findings.push(...((await attempt(() => handFindings(kernel, tree))) ?? []));
  findings.push(...((await attempt(() => journalFindings(kernel, journal, lock, repairing !== undefined))) ?? []));
  if (silence !== undefined) return seen(findings, failures);
  const resources = await resourceFindings(kernel, observe, repairing);
  return seen([...findings, ...resources.findings], failures, resources.unseen);
}

/** What could not be found out is a finding, where nobody tells of it already. */
function seen(
  findings: Finding[],
  failures: readonly KukeError[],
  unseen: ResourceFindings['unseen'] = new Map(),
): Sight {
  for (const { code, fault: what, remedy } of [...failures, ...unseen.values()]) {
    const isTold = findings.some(one => one.code === code && (code !== 'PluginFailed' || one.what === what));
    if (!isTold) findings.push({ level: 'error', code, what, ...(remedy !== undefined && { remedy }) });
  }
  return { findings, isWhole: failures.length === 0, unseen: new Set(unseen.keys()) };
}

/** Without a runtime, or with one that hangs, nobody can say what belongs to what. Its own plugin tells more of it. */
async function runtimeSilence(kernel: Kernel): Promise<KukeError | undefined> {
  const ping = (await kernel.use('runtime')).ping();
  const late = new KukeError('RuntimeUnavailable', `the runtime gives no answer within ${ANSWER_LIMIT_MS} ms`);
  return Promise.race([
    ping.then(
      () => undefined,
      thrown => asKukeError(thrown, 'RuntimeUnavailable'),
    ),
    Bun.sleep(ANSWER_LIMIT_MS).then(() => late),
  ]);
}

const ANSWER_LIMIT_MS = 5000;

function inDoubt({ fix: _, ...finding }: Finding, doubt: string): Finding {
  return { ...finding, remedy: `mend that first: ${doubt}` };
}
