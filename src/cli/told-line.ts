/** A command line as it may be kept, in the audit log, the journal and revisions: as it was typed, without what may be a secret. */
import { HIDDEN, isSecretField } from '../kernel/secret-fields.ts';

/** Commands whose words after `--` are a program's own. */
const RUN_PROGRAMS: ReadonlySet<string> = new Set(['exec', 'run']);
const VARIABLE = /^(-[a-z]*e|--env)$/;
const VARIABLE_IN_ONE = /^(--env=|-[a-z]*e=?)(?=[^=]+=)/;

/** `words`: those of the command itself, `image pull`. */
export function toldLine(argv: readonly string[], words: readonly string[]): string {
  const isOfProgram = RUN_PROGRAMS.has(words[0] ?? '');
  const end = argv.indexOf('--');
  const own = end === -1 || !isOfProgram ? argv : argv.slice(0, end);
  const program = own === argv ? [] : argv.slice(end, end + 2);
  const left = argv.length - own.length - program.length;
  const told = own.map((word, index) => toldWord(word, own[index - 1], isOfProgram));
  return ['kuke', ...told, ...program, ...(left > 0 ? [HIDDEN] : [])].join(' ');
}

function toldWord(word: string, before: string | undefined, hasVariables: boolean): string {
  if (hasVariables && before !== undefined && VARIABLE.test(before)) return variable(word);
  const [start = ''] = (hasVariables && VARIABLE_IN_ONE.exec(word)) || [];
  if (start !== '') return start + variable(word.slice(start.length));
  if (before !== undefined && isSecretFlag(before)) return HIDDEN;
  const [, flag] = /^(--[^=]+)=/.exec(word) ?? [];
  if (flag !== undefined && isSecretFlag(flag)) return `${flag}=${HIDDEN}`;
  return word.replace(/(:\/\/[^/@:\s]*:)[^/@\s]+@/, `$1${HIDDEN}@`);
}

/** `KEY=(not told)` */
const variable = (word: string): string => word.replace(/=.*$/s, `=${HIDDEN}`);

const isSecretFlag = (word: string): boolean => /^--[^=]+$/.test(word) && isSecretField(word.slice(2));
