import { KukeError } from '../../kernel/errors.ts';

/** Throws Usage. */
export function parseRevision(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new KukeError('Usage', `${flag}: \`${text}\` is not the number of a revision`, {
    remedy: 'see `kuke rollout history`',
  });
}
