/** The journal, as the audit log hears of it: that a command begins to change something, and what became of plans that a dead kuke left. */
import type { AuditEntry } from './audit.ts';
import type { Journal, PlanJournal } from './journal.ts';

export interface JournalListener {
  /** The first plan of a command is about to be run. */
  begun(command: string): void;
  /** A plan that an earlier kuke left has come to its end. */
  recovered(entry: Pick<AuditEntry, 'command' | 'result' | 'resources'>): void;
}

export function auditedJournal(journal: Journal, listener: JournalListener): Journal {
  let hasBegun = false;
  return {
    ...journal,
    open(id, plan, command, options) {
      if (!hasBegun) listener.begun(command);
      hasBegun = true;
      return journal.open(id, plan, command, options);
    },
    unfinished() {
      const { plans, unreadable } = journal.unfinished();
      const taken = plans.map(plan => {
        const ended = (isWhole: boolean, isDropped: boolean) => {
          const finished = isWhole ? 'finished after a crash' : 'failed after a crash';
          const how = plan.onFailure === 'undo' ? 'undone after a crash' : finished;
          const result = isDropped ? 'taken over' : how;
          const resources = [...new Set(plan.steps.map(({ resource }) => resource))];
          listener.recovered({
            command: plan.command,
            result,
            resources: resources.map(resource => ({ resource, result })),
          });
        };
        return { ...plan, journal: watched(plan.journal, plan.results.size, plan.steps.length, ended) };
      });
      return { plans: taken, unreadable };
    },
  };
}

function watched(
  journal: PlanJournal,
  alreadyDone: number,
  steps: number,
  ended: (isWhole: boolean, isDropped: boolean) => void,
): PlanJournal {
  let done = alreadyDone;
  let isDropped = false;
  return {
    ...journal,
    done(step, result) {
      const written = journal.done(step, result);
      done += 1;
      return written;
    },
    dropped(step) {
      isDropped = true;
      journal.dropped(step);
    },
    close() {
      // Before the journal's folder goes, for that takes an empty installation's along.
      ended(done >= steps, isDropped);
      return journal.close();
    },
  };
}
