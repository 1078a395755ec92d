/** `kuke __complete WORDS...`, which the shells' scripts call: fast, from the metadata alone, and never a failure. */
import { embedded, readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { nameOf } from '../../kernel/resource.ts';
import type { Program } from '../command.ts';
import { commands } from '../commands.ts';
import { currentConsole } from '../console/console.ts';
import { globalArgs, readGlobals } from '../global-flags.ts';
import { openKernel } from '../open-kernel.ts';
import { print } from '../output/standard-output.ts';
import { scopePath } from '../scope.ts';
import { complete, type Known, readSoFar } from './candidates.ts';

/** Longest that a person waits at a prompt, in milliseconds. */
const LIMIT_MS = 2000;

/** The last word is the one to complete. Prints what scripts.ts describes; nothing where there is nothing to say. Never rejects. */
export async function completeLine(line: string[], program: Program): Promise<number> {
  const limit = setTimeout(() => currentConsole().exit(0), LIMIT_MS);
  const words = line.slice(0, -1);
  try {
    const { candidates, directive } = await complete(words, line.at(-1) ?? '', commands, knownTo(words, program));
    for (const { value, description } of candidates) print(description === '' ? value : `${value}\t${description}`);
    print(`:${directive}`);
  } catch {} // at a prompt there is nobody to tell
  clearTimeout(limit);
  return 0;
}

/** As the files have it, and of images containerd; no plugin of others is run for it. */
function knownTo(words: string[], program: Program): Known {
  let opened: Promise<Kernel> | undefined;
  const open = async (more: string[]): Promise<Kernel> => {
    const globals = await readGlobals(readSoFar(globalArgs, words).flags, currentConsole().env, program);
    const invocation = { globals, program, line: '', signal: new AbortController().signal };
    return openKernel(invocation, { needs: ['kind:Cell', ...more], reads: true });
  };
  const kernelOf = () => (opened ??= open([]));
  return {
    kinds: async () => (await kernelOf()).kinds.all().map(({ kind }) => kind.toLowerCase()),
    async names(word, flags) {
      const kernel = await kernelOf();
      const kind = kernel.kinds.lookup(word);
      const tree = await readTree(kernel);
      if (kind.embedded === undefined) {
        const path = scopePath(kernel, kind, flags);
        return tree.all(kind.kind, path).map(({ ref }) => nameOf(ref));
      }
      const parent = kernel.kinds.get(kind.parent ?? '');
      const path = typeof flags.cell === 'string' ? scopePath(kernel, kind, flags) : scopePath(kernel, parent, flags);
      const declared = embedded(kernel, kind.kind, tree.all(parent.kind, path)).map(({ ref }) => nameOf(ref));
      return [...new Set(declared)];
    },
    async images(flags) {
      const { realmIn } = await import('../images.ts');
      const kernel = await open(['backend:images']);
      const { namespace } = realmIn(kernel, await readTree(kernel), flags);
      return (await (await kernel.use('images')).list({ namespace })).map(({ name }) => name);
    },
  };
}
