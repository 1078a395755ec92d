/** The lines of a journal's file, and what they say together. */
import * as v from 'valibot';
import type { Step } from './plan.ts';

/** Of what the lines mean; a kuke goes on with plans of its own version alone. */
export const VERSION = 4;

const keys = v.array(v.union([v.string(), v.number()]));

const head = v.object({
  event: v.literal('plan'),
  version: v.literal(VERSION),
  id: v.string(),
  onFailure: v.picklist(['undo', 'finish', 'goOn']),
  command: v.string(),
  steps: v.array(
    v.object({
      id: v.string(),
      type: v.string(),
      params: v.exactOptional(v.unknown()),
      refs: v.exactOptional(v.array(v.object({ at: keys, step: v.string(), path: keys }))),
      after: v.array(v.string()),
      resource: v.string(),
    }),
  ),
});

const event = v.variant('event', [
  v.object({ event: v.literal('start'), step: v.string(), found: v.exactOptional(v.unknown()) }),
  v.object({ event: v.literal('done'), step: v.string(), result: v.exactOptional(v.unknown()) }),
  /** From here on it is undone, whatever it was for. */
  v.object({ event: v.literal('undoing') }),
  v.object({ event: v.literal('reverted'), step: v.string() }),
  v.object({ event: v.literal('dropped'), step: v.string() }),
  v.object({ event: v.literal('ended') }),
]);

export type Entry = v.InferOutput<typeof head> | v.InferOutput<typeof event>;

export interface ParsedPlan extends Pick<v.InferOutput<typeof head>, 'id' | 'onFailure' | 'command'> {
  steps: Step[];
  started: Map<string, unknown>;
  results: Map<string, unknown>;
}

/** `over`: it has ended, or no step can have run. `why`: steps may have run, and this file does not say which. */
export function parseJournal(text: string): ParsedPlan | 'over' | { why: string } {
  const end = text.indexOf('\n');
  const first = parseLine(end < 0 ? text : text.slice(0, end));
  // The head is synced before anything runs: where nothing stands behind it, nothing did.
  const rest = end < 0 ? '' : text.slice(end + 1);
  const plan = v.safeParse(head, first);
  if (!plan.success) {
    const version = versionOf(first);
    if (version !== undefined && version !== VERSION)
      return { why: `it is of version ${version}, and this kuke reads version ${VERSION}` };
    if (/[^\s\0]/.test(rest)) return { why: 'its first line, which holds the plan, is damaged' };
    return isCutOff(text) ? 'over' : { why: 'it holds no plan' };
  }
  // A line that is cut off was being written when its kuke died: what it said did not begin.
  const events = rest.split('\n').flatMap(line => {
    const parsed = v.safeParse(event, parseLine(line));
    return parsed.success ? [parsed.output] : [];
  });
  if (events.some(one => one.event === 'ended')) return 'over';
  // What has been begun to be undone is not gone on with: half of it may be away.
  const onFailure = events.some(one => one.event === 'undoing') ? 'undo' : plan.output.onFailure;
  return { ...plan.output, onFailure, ...stateOf(onFailure, events), steps: plan.output.steps as Step[] };
}

/** As by a kuke's death, or by a power cut, which leaves zeros. */
function isCutOff(text: string): boolean {
  const written = text.replace(/[\s\0]+$/, '');
  const beginning = `{"event":"plan","version":${VERSION},`;
  return written.startsWith(beginning) || beginning.startsWith(written);
}

function stateOf(onFailure: ParsedPlan['onFailure'], events: v.InferOutput<typeof event>[]) {
  const started = new Map<string, unknown>();
  const results = new Map<string, unknown>();
  for (const one of events) {
    // What was found the first time counts: later it may be what the step itself has made.
    if (one.event === 'start' && !started.has(one.step)) started.set(one.step, one.found);
    if (one.event === 'done') results.set(one.step, one.result);
  }
  const over = events.flatMap(one => (one.event === 'reverted' || one.event === 'dropped' ? [one] : []));
  for (const one of over) {
    started.delete(one.step);
    if (one.event === 'dropped' && onFailure !== 'undo' && !results.has(one.step)) results.set(one.step, undefined);
  }
  return { started, results };
}

function versionOf(first: unknown): unknown {
  if (typeof first !== 'object' || first === null || Reflect.get(first, 'event') !== 'plan') return undefined;
  return Reflect.get(first, 'version');
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
