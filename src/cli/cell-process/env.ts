import { KukeError } from '../../kernel/errors.ts';

/** What `-e` was given, in order. Throws Usage for what is not KEY=VALUE. */
export function checkEnv(entries: readonly string[]): string[] {
  const wrong = entries.find(entry => !/^[^=\0]+=[^\0]*$/.test(entry));
  if (wrong === undefined) return [...entries];
  throw new KukeError('Usage', `--env: \`${wrong}\` is not KEY=VALUE`, { remedy: 'give it a value, if an empty one' });
}
