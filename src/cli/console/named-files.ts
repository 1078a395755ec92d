/**
 * The files of the person's own that a command line names, and what a daemon may have done with each: it may be another host's, and gets no more than
 * that. What stands behind `--`, or in any other flag, is no such name. (The commands themselves are not loaded for it: a test holds it to theirs.)
 */
import { parseArgs } from 'node:util';
import type { IsNamed } from '../../daemon/console/client-files.ts';
import { findCommand, withLongNames } from '../arguments.ts';
import { commands } from '../commands.ts';
import { readCopy } from '../cp/places.ts';
import { globalArgs } from '../global-flags.ts';

const text = (short?: string) => ({ type: 'string', multiple: true, ...(short && { short }) }) as const;

const GLOBAL = Object.entries(globalArgs).filter(([, { type }]) => type !== 'boolean');

/** Flags that take a value. */
const flags = (own: Readonly<Record<string, ReturnType<typeof text>>>) => ({
  ...Object.fromEntries(GLOBAL.map(([name]) => [name, text()])),
  ...own,
});

interface Line {
  values: Readonly<Record<string, unknown>>;
  positionals: readonly string[];
}

type Named = readonly (readonly [how: Parameters<IsNamed>[0], path: string])[];

interface NamingCommand {
  flags: ReturnType<typeof flags>;
  named(line: Line): Named;
}

const listed = ({ values }: Line, flag: string): string[] => [values[flag] ?? []].flat().map(String);

const MANIFESTS: NamingCommand = {
  flags: flags({ filename: text('f') }),
  named: line => listed(line, 'filename').map(path => ['read', path]),
};

/** By a command's words. */
export const NAMING: ReadonlyMap<string, NamingCommand> = new Map([
  ['apply', MANIFESTS],
  ['diff', MANIFESTS],
  ['delete', MANIFESTS],
  [
    'get',
    {
      flags: flags({ output: text('o') }),
      named: line =>
        listed(line, 'output').flatMap(format => {
          const [, path] = /^(?:jsonpath|custom-columns)-file=(.*)$/s.exec(format) ?? [];
          return path === undefined ? [] : [['read', path]];
        }),
    },
  ],
  [
    'image load',
    {
      flags: flags({ input: text('i') }),
      named: line => listed(line, 'input').flatMap(path => [['look', path] as const, ['read', path] as const]),
    },
  ],
  [
    'image save',
    {
      flags: flags({ output: text('o') }),
      named: line => listed(line, 'output').flatMap(path => [['look', path] as const, ['write', path] as const]),
    },
  ],
  [
    'cp',
    {
      flags: flags({ container: text('c'), realm: text(), space: text(), stack: text() }),
      named({ positionals: [source = '', target = ''] }) {
        const { local, isUpload } = readCopy(source, target);
        return [['look', local] as const, [isUpload ? 'pack' : 'unpack', local] as const];
      },
    },
  ],
]);

export function namedIn(argv: readonly string[]): IsNamed {
  const named = filesIn(argv);
  return (how, path) => path !== '' && named.some(([is, one]) => is === how && one === path);
}

function filesIn(argv: readonly string[]): Named {
  try {
    const { words, rest } = findCommand([...argv], commands);
    const naming = NAMING.get(words.join(' '));
    if (naming === undefined) return [];
    const options = { args: withLongNames(rest, naming.flags), options: naming.flags };
    return naming.named(parseArgs({ ...options, strict: false, allowPositionals: true }));
  } catch {
    return []; // one that makes no sense names nothing
  }
}
