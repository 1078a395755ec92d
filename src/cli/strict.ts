/** `--strict`: a limit that the host cannot enforce is a failure of the command, in place of a warning. */
import type { ArgsDef } from 'citty';
import { DEFAULT_STOP_TIMEOUT_MS, type PlanOptions } from '../kernel/planning.ts';

export const strictArg = {
  strict: { type: 'boolean', description: 'refuse limits that this host cannot enforce, before anything is changed' },
} as const satisfies ArgsDef;

/** As `apply` plans, with what `strictArg` says. */
export function applyOptions({ strict }: { strict?: boolean | undefined }): PlanOptions {
  return { verb: 'apply', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS, strict: strict === true };
}
