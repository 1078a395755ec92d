/** `--dry-run` and `--explain`: the flags of every command that changes something (docs/plans.md). */
import type { ArgsDef } from 'citty';

export const planArgs = {
  'dry-run': { type: 'boolean', description: 'tell what would be done, and do nothing' },
  explain: {
    type: 'boolean',
    description: 'print the commands that a person would type for it; with --dry-run, a script that does it',
  },
} as const satisfies ArgsDef;

/** Of any command's flags: one that does not have these was not given them. */
export function planFlags(args: object = {}): { isDryRun: boolean; isExplained: boolean } {
  return { isDryRun: Reflect.get(args, 'dry-run') === true, isExplained: Reflect.get(args, 'explain') === true };
}
