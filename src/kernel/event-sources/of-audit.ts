/** What commands and requests did, as events: a line of the audit log is one for each resource. */
import { type Affected, type AuditEntry, BY_ITSELF, whoIs } from '../audit.ts';
import type { Event } from '../events.ts';

export function eventsOf({ resources, result, at, command, ...actor }: AuditEntry): Event[] {
  if (result === 'begun' || command === BY_ITSELF) return [];
  const who = whoIs(actor);
  const rest = { ...(who !== '-' && { by: who }), command };
  return resources.flatMap(one => {
    const { what, message = one.error?.message } = whatOf(one, result);
    const { resource } = one;
    const made = { at, resource, what, ...(message !== undefined && { message }), ...rest };
    return one.steps?.includes('images.pull')
      ? [{ at, resource, what: 'pulled', message: 'its images', ...rest }, made]
      : [made];
  });
}

const OF_IMAGE = /^(pulled|loaded|tagged|removed) (image .*)$/s;
const FIXED = /^fixed (.*)$/s;

function whatOf({ result, changes = [], steps = [] }: Affected, whole: string): { what: string; message?: string } {
  if (whole.includes(' ')) return { what: whole }; // undone after a crash
  const [, done, image] = OF_IMAGE.exec(result) ?? [];
  if (done !== undefined && image !== undefined) return { what: done, message: image };
  const [, fixed] = FIXED.exec(result) ?? [];
  if (fixed !== undefined) return { what: 'fixed', message: fixed };
  if (result !== 'updated') return { what: result };
  const state = changes.find(({ path }) => path === 'spec.desiredState')?.to;
  if (changes.length === 1 && state !== undefined) return { what: state === 'stopped' ? 'stopped' : 'started' };
  if (changes.length > 0) return { what: result, message: changes.map(({ path }) => path).join(', ') };
  const [starts, stops] = ['runtime.start', 'runtime.stop'].map(step => steps.includes(step));
  return { what: starts && stops ? 'restarted' : starts ? 'started' : result };
}
