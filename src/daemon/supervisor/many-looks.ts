/** Looking at many resources in one go: the host is asked for all of them at once. */
import type { ObserveContext } from '../../kernel/kinds.ts';
import { makeObserveContext } from '../../kernel/observe.ts';
import { inParallel } from '../../kernel/parallel.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import type { Entry } from './entry.ts';

/** From something that ends nothing to a look. */
export const LATER_MS = 250;
/** So many are asked for one by one. */
const FEW = 4;
const AT_ONCE = 8;

/** What the looks go by. */
export interface Shared {
  tree: ResourceTree;
  context: ObserveContext;
}

export interface ManyLooks {
  together(entries: readonly Entry[], shared: Shared): Promise<void>;
  some(entries: readonly Entry[]): Promise<void>;
  /** What is being made tells of itself again and again. */
  later(entry: Entry): void;
  end(): void;
}

export interface ManyLooksOptions {
  currentTree(): Promise<ResourceTree>;
  /** By itself. */
  one(entry: Entry): void;
  /** Never rejects. */
  oneOf(entry: Entry, shared: Shared): Promise<void>;
  isKept(entry: Entry): boolean;
  complain(thrown: unknown): void;
}

export function makeManyLooks({ currentTree, one, oneOf, isKept, complain }: ManyLooksOptions): ManyLooks {
  /** Since when. */
  const waiting = new Map<Entry, number>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function together(entries: readonly Entry[], shared: Shared): Promise<void> {
    await inParallel(entries, AT_ONCE, entry => oneOf(entry, shared));
  }

  async function some(entries: readonly Entry[]): Promise<void> {
    if (entries.length <= FEW) return entries.forEach(one);
    const tree = await currentTree();
    await together(entries.filter(isKept), { tree, context: makeObserveContext(tree) });
  }

  return {
    together,
    some,
    later(entry) {
      waiting.set(entry, performance.now());
      timer ??= setTimeout(() => {
        timer = undefined;
        const due = [...waiting].flatMap(([one, since]) => (isKept(one) && one.lookedAt < since ? [one] : []));
        waiting.clear();
        some(due).catch(complain);
      }, LATER_MS);
    },
    end: () => clearTimeout(timer),
  };
}
