/** `--for` of wait: kubectl's words, with the states of kuke's resources in the place of its conditions. */
import { KukeError } from '../../kernel/errors.ts';
import type { KindDefinition, Resource } from '../../kernel/kinds.ts';
import { didYouMean } from '../../kernel/names.ts';
import { textOf, valuesAt } from '../get/jsonpath/evaluate.ts';
import { parsePath } from '../get/jsonpath/parse.ts';

export interface Condition {
  /** What is said of a resource that meets it: `is Ready`, `is deleted`, `has .status.state=Ready`. */
  words: string;
  /** Undefined: it is not there. */
  isMet(resource: Resource | undefined): boolean;
  /** That it is not there is what is waited for. */
  isAbsence?: true;
  /** The state that is waited for. */
  state?: string;
}

/** Of `jsonpath={.status.state}=Ready`, braces or not; what stands in brackets may hold a `=` of its own. */
const AT_PATH = /^jsonpath=(\{.*\}|[^=[\]]+(?:\[[^\]]*\][^=[\]]*)*)(?:=(.*))?$/s;

/** Throws Usage. States are compared without regard to case, and any word may be one: each kind has its own (`refuseNoState`). */
export function parseCondition(text: string): Condition {
  if (/^deleted?$/i.test(text)) return { words: 'is deleted', isMet: found => found === undefined, isAbsence: true };
  const [, path, value] = AT_PATH.exec(text) ?? [];
  if (path !== undefined) return atPath(path, value);
  const [, state] = /^(?:condition=)?([a-z]+)$/i.exec(text) ?? [];
  if (state === undefined) {
    throw new KukeError('Usage', `--for: \`${text}\` is nothing that can be waited for`, {
      remedy: 'say a state such as Ready or Stopped, or delete, or jsonpath=PATH=VALUE',
    });
  }
  const isState = (found: Resource | undefined) =>
    String(found?.manifest.status?.state).toLowerCase() === state.toLowerCase();
  return { words: `is ${state}`, isMet: isState, state };
}

/** Throws Usage for a state that none of this kind is ever in. */
export function refuseNoState({ state }: Condition, { kind, states }: Pick<KindDefinition, 'kind' | 'states'>): void {
  if (state === undefined || states === undefined) return;
  if (states.some(one => one.toLowerCase() === state.toLowerCase())) return;
  throw new KukeError('Usage', `--for: no ${kind.toLowerCase()} is ever \`${state}\`${didYouMean(state, states)}`, {
    remedy: `say one of ${states.join(', ')}, or delete, or jsonpath=PATH=VALUE`,
  });
}

/** Without a value it is enough that there is something. */
function atPath(text: string, value: string | undefined): Condition {
  const path = parsePath(text, '--for');
  const isMet = (found: Resource | undefined): boolean => {
    if (found === undefined) return false;
    const values = valuesAt(path, { root: found.manifest, current: found.manifest }).map(textOf);
    return value === undefined ? values.length > 0 : values.includes(value);
  };
  return { words: `has ${text}${value === undefined ? '' : `=${value}`}`, isMet };
}
