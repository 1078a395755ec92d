/** What a command line has changed, for the audit log: who asked, what became of it. */
import { join } from 'node:path';
import type { Outcome } from '../kernel/apply.ts';
import {
  type Actor,
  type Affected,
  type AuditEntry,
  type AuditFile,
  actorOf,
  affectedBy,
  appendAudit,
  fixedBy,
  forgetAudit,
} from '../kernel/audit.ts';
import type { JournalListener } from '../kernel/audited-journal.ts';
import { daemonPlaces } from '../kernel/daemon-places.ts';
import type { Diagnosis } from '../kernel/doctor.ts';
import { asKukeError } from '../kernel/errors.ts';
import type { Invocation } from './command.ts';
import { bound, currentConsole } from './console/console.ts';
import { warn } from './output/failure.ts';

export const auditPath = ({ config, runPath }: Invocation['globals']): string =>
  config.auditLog ?? daemonPlaces(runPath).audit;

export const auditFile = (globals: Invocation['globals']): AuditFile => ({
  path: auditPath(globals),
  instance: join(globals.runPath, '.kuke/instance'),
});

export interface CommandAudit extends JournalListener {
  /** Who asks for it. */
  actor(): Actor;
  /** Runs what may change the host, and tells what became of it. */
  of<T>(work: () => Promise<T>, affected?: (result: T) => Affected[]): Promise<T>;
  /** What was done, and goes on. */
  did(resources: Affected[]): void;
}

/** Of one command; the same one each time that it is asked for. */
const audits = new WeakMap<object, CommandAudit>();

export function auditOf(invocation: Pick<Invocation, 'globals' | 'line'>): CommandAudit {
  const { globals, line } = invocation;
  const known = audits.get(globals);
  if (known !== undefined) return known;
  const made = makeAudit(auditFile(globals), line);
  audits.set(globals, made);
  return made;
}

function makeAudit(file: AuditFile, command: string): CommandAudit {
  const { peer } = currentConsole();
  let actor: Actor | undefined;
  /** Asked for once, and only where there is something to tell. */
  const who = (): Actor => (actor ??= actorOf(peer));
  const id = crypto.randomUUID();
  let isBegun = false;
  let isBroken = false;
  const append = bound((entry: Omit<AuditEntry, 'at'>): void => {
    try {
      appendAudit(file, { at: new Date().toISOString(), ...entry });
    } catch (thrown) {
      // What is asked for may be what mends it.
      if (!isBroken) warn(`the audit log cannot be written: ${file.path}: ${asKukeError(thrown).message}`);
      isBroken = true;
    }
  });
  return {
    actor: who,
    begun() {
      if (!isBegun) append({ id, ...who(), command, result: 'begun', resources: [] });
      isBegun = true;
    },
    recovered: entry => append(entry),
    did: resources => append({ id, ...who(), command, result: 'done', resources }),
    async of(work, affected = affectedIn) {
      const started = performance.now();
      const ended = (entry: Pick<AuditEntry, 'result' | 'resources' | 'error'>) =>
        append({ id, ...who(), command, ms: Math.round(performance.now() - started), ...entry });
      try {
        const result = await work();
        const resources = affected(result);
        const isWell = resources.every(({ error }) => error === undefined);
        if (isBegun || resources.length > 0) ended({ result: isWell ? 'done' : 'failed', resources });
        // An uninstall that was killed when all else was gone has left its log to the next one.
        else forgetAudit(file);
        return result;
      } catch (thrown) {
        const { code, fault } = asKukeError(thrown);
        ended({ result: 'failed', error: { code, message: fault }, resources: [] });
        throw thrown;
      }
    },
  };
}

/** Outcomes say it by themselves, and what doctor has put right. */
function affectedIn(result: unknown): Affected[] {
  if (!Array.isArray(result)) return [];
  return [...affectedBy(result.filter(isOutcome)), ...fixedBy(result.filter(isFixed))];
}

const isFixed = (one: unknown): one is Diagnosis =>
  typeof one === 'object' && one !== null && 'fixed' in one && one.fixed === true && 'code' in one;

const isOutcome = (one: unknown): one is Outcome =>
  typeof one === 'object' && one !== null && 'ref' in one && 'result' in one && 'steps' in one;
