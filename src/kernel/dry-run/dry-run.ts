/**
 * A dry run: all is planned as ever, and nothing is done. What a plan would have made the backends remember (`foreseen.ts`), so that the
 * plans after it see it.
 */
import type { UseBackend } from '../backend-operations.ts';
import type { OperationRegistry } from '../operations.ts';
import type { Plan, Step } from '../plan.ts';
import { pick, resolveRefs } from '../step-references.ts';
import { Unknowns } from './unknown.ts';

export interface PlannedStep {
  /** `cell main/default/blog/web` */
  resource: string;
  /** `network.attach` */
  type: string;
  params: unknown;
  /** What only the run will know stands in it as `unknowns` has it. */
  explain(): Promise<string>;
}

export interface DryRun {
  /** In the order in which they would run. */
  readonly steps: readonly PlannedStep[];
  readonly unknowns: Unknowns;
  /** A step was planned whose effect nobody foresees, such as the start of a containerd: what does not answer may do so by then. */
  readonly isUnforeseen: boolean;
  /** What is in no plan. */
  note(step: PlannedStep): void;
  plan(plan: Plan, operations: OperationRegistry, use: UseBackend): Promise<void>;
}

export const FORESEEN = ['cgroup', 'images', 'network', 'runtime', 'store'] as const;

export function makeDryRun(): DryRun {
  const steps: PlannedStep[] = [];
  const unknowns = new Unknowns();
  let isUnforeseen = false;
  let last: Promise<void> = Promise.resolve();
  const noteAll: DryRun['plan'] = async (plan, operations, use) => {
    const results = new Map<string, unknown>();
    for (const step of inOrder(plan.steps)) {
      const { resource, type } = step;
      const params = resolveRefs(step.params, step.refs ?? [], ref => pick(results.get(ref.step), ref.path));
      const operation = operations.get(type);
      steps.push({ resource, type, params, explain: async () => operation.explain(params) });
      const [backend = '', action = ''] = type.split('.');
      const name = FORESEEN.find(one => one === backend);
      if (name === undefined) isUnforeseen ||= OTHERS_EFFECTS.has(resource);
      else results.set(step.id, unknowns.of(steps.length, await foresee(await use(name), action, params)));
    }
  };
  return {
    steps,
    unknowns,
    get isUnforeseen() {
      return isUnforeseen;
    },
    note: step => void steps.push(step),
    plan(plan, operations, use) {
      // Several cells are planned at once; their steps are told one cell after the other.
      const noted = last.then(() => noteAll(plan, operations, use));
      last = noted.catch(() => {});
      return noted;
    },
  };
}

/** An operation of a plugin that is about the host itself. */
const OTHERS_EFFECTS: ReadonlySet<string> = new Set(['host']);

const context = { signal: new AbortController().signal, progress: () => {}, note: () => {} };

async function foresee(backend: object, action: string, params: unknown): Promise<unknown> {
  return Reflect.apply(Reflect.get(backend, action), backend, [params, context]);
}

/** A hook may have put a step before one that it waits for. */
function inOrder(steps: readonly Step[]): Step[] {
  const ordered: Step[] = [];
  const waiting = [...steps];
  const done = new Set<string>();
  while (waiting.length > 0) {
    const next = waiting.findIndex(step => step.after.every(id => done.has(id)));
    const [step] = waiting.splice(Math.max(next, 0), 1);
    if (step === undefined) break;
    done.add(step.id);
    ordered.push(step);
  }
  return ordered;
}
