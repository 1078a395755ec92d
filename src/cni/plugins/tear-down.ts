/** Teardown goes on after a failure, does all that it can, and reports the first one with the others. */
import { asPluginError } from './failure.ts';
import { PluginError } from './plugin-error.ts';

export type Step = () => void | Promise<void>;

/** Takes all steps, in order. Returns what failed, as one error; undefined for nothing. */
export async function tearDown(steps: readonly Step[]): Promise<PluginError | undefined> {
  const failures: PluginError[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(asPluginError(error));
    }
  }
  const [first, ...others] = failures;
  return first && withOthers(first, 'also failed', others);
}

/** Undoes what an ADD has done, the last first. Returns the error that the ADD is to fail with: `error`, and what could not be undone. */
export async function undo(error: unknown, done: readonly Step[]): Promise<PluginError> {
  const failure = await tearDown(done.toReversed());
  return withOthers(asPluginError(error), 'and was not undone', failure ? [failure] : []);
}

function withOthers(first: PluginError, how: string, others: readonly PluginError[]): PluginError {
  if (others.length === 0) return first;
  const { code, msg, details } = first;
  const told = others.map(({ message }) => `${how}: ${message}`);
  return new PluginError(code, msg, [details, ...told].filter(Boolean).join('; '), first);
}
