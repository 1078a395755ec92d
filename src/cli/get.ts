import { KukeError } from '../kernel/errors.ts';
import { readTree } from '../kernel/observe.ts';
import { parseSelector } from '../kernel/selector.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { FORMATS, readFormat } from './get/output-format.ts';
import { missingPlace, selectResources } from './get/select.ts';
import { limitColumns } from './limits/columns.ts';
import { openJournal, openKernel } from './open-kernel.ts';
import { warn } from './output/failure.ts';
import { printResources, type Shown, tableOf } from './output/resources.ts';
import { kindOf, scopeArgs } from './scope.ts';

export default command({
  summary: 'show resources with the state that the host gives them now',
  examples: [
    ['get cells', 'of realm main, space and stack default'],
    ['get cells -A -o wide', 'of all realms, with more columns'],
    ['get cell web -o yaml', 'one resource as a manifest with its status'],
    ['get co --cell web', 'the containers of a cell'],
    ['get cells -l app=blog,tier!=db', 'by label'],
    ['get cells -w', 'all of them, and then each one that changes, until Ctrl-C'],
    ['get cells -A --sort-by .status.state', 'by a field, or by a column: --sort-by ADDRESS'],
    ["get cells -o jsonpath='{.items[*].metadata.name}'", 'fields alone, as kubectl has them'],
    ["get cells -o custom-columns='NAME:.metadata.name,IMAGE:.spec.containers[*].image'", 'columns of your own'],
    ['get cells -A --resources', 'what limits they have, and what they use; -o wide says why one is not enforced'],
    ['get --resources', 'the same of all levels, from the realms down to the containers'],
  ],
  args: {
    kind: {
      type: 'positional',
      required: false,
      description: 'realms, spaces, stacks, cells or containers (r sp st ce co); with --resources alone: all of them',
    },
    name: { type: 'positional', required: false, description: 'one of them' },
    ...scopeArgs,
    cell: { type: 'string', valueHint: 'NAME', description: 'cell, for containers' },
    'all-scopes': { type: 'boolean', alias: 'A', description: 'of all realms, spaces, stacks and cells' },
    selector: {
      type: 'string',
      alias: 'l',
      valueHint: 'LABELS',
      description: 'a=b, a!=b, a, !a, a in (b,c); several with commas',
    },
    'sort-by': { type: 'string', valueHint: 'PATH', description: 'a path such as .status.state, or a column’s header' },
    watch: { type: 'boolean', alias: 'w', description: 'go on: print each one that changes, until Ctrl-C' },
    'output-watch-events': { type: 'boolean', description: 'with -w: say whether it was added, modified or deleted' },
    resources: {
      type: 'boolean',
      description: 'limits and use in place of the other columns; without KIND of all levels',
    },
    'no-headers': { type: 'boolean', description: 'tables without their first line' },
    output: {
      type: 'enum',
      alias: 'o',
      options: [...FORMATS],
      default: 'table',
      valueHint: 'FORMAT',
      description: 'how it is printed',
    },
  },
  async run(invocation) {
    const { args, signal } = invocation;
    const output = await readFormat(args.output);
    if (args.resources && (output.format !== 'table' || output.columns)) {
      const remedy = 'leave it out: limits are in every status, and `kuke top -o json` has what is used';
      throw new KukeError('Usage', '--resources is of tables', { remedy });
    }
    if (args['output-watch-events'] && !args.watch) throw new KukeError('Usage', '--output-watch-events is of -w');
    const selector = parseSelector(args.selector ?? '');
    const by = args['sort-by'];
    if (args.kind === undefined) requireAllLevels(args);
    else refuseSeveral(args.kind);
    const kernel = await openKernel(invocation, { reads: true });
    if (args.kind === undefined) {
      const { printAllLevels } = await import('./get/all-levels.ts');
      await printAllLevels(kernel, args, selector, output.format === 'table' && output.wide);
      return 0;
    }
    const kind = kindOf(kernel, args.kind, args);
    const wanted = {
      kind,
      isNamesOnly: output.format === 'name' && !args.watch && by === undefined,
      all: args['all-scopes'] === true,
      selector,
      flags: args,
      ...(args.name !== undefined && { name: args.name }),
    };
    const shown: Shown = {
      one: args.name !== undefined,
      all: args['all-scopes'] === true,
      headless: args['no-headers'] === true,
    };
    let isBegun = false;
    const look = async () => {
      const tree = await readTree(kernel);
      const resources = await selectResources(kernel, tree, wanted);
      const missing = resources.length > 0 ? undefined : missingPlace(kernel, tree, wanted);
      if (missing !== undefined) shown.missing = missing;
      if (args.resources) shown.columns = await limitColumns(kernel);
      if (by === undefined) return { tree, resources };
      const table = tableOf(kernel, kind, { wide: true, ...output }, shown);
      const { sortResources } = await import('./get/sort.ts');
      // What a watch was begun with, the last of them may lose.
      const sorted = sortResources(resources, by, table, isBegun);
      isBegun ||= resources.length > 0;
      return { tree, resources: sorted };
    };
    if (args.watch) {
      const { watchResources } = await import('./get/watch.ts');
      const events = args['output-watch-events'] === true;
      const unread = currentConsole().readerGone?.(invocation.program, signal);
      const journal = openJournal(invocation);
      return watchResources({ kernel, journal, kind, look, output, shown, events, signal, unread });
    }
    const { tree, resources } = await look();
    for (const problem of tree.problems) warn(`${problem.path}: ${problem.message}`);
    await printResources(kernel, kind, resources, output, shown);
    return 0;
  },
});

/** As kubectl has them: `cells,spaces`, `all`. */
function refuseSeveral(kind: string): void {
  if (!kind.includes(',') && kind !== 'all') return;
  const [first = ''] = kind === 'all' ? ['cells'] : kind.split(',').filter(Boolean);
  throw new KukeError('Usage', `\`${kind}\`: one KIND at a time`, {
    remedy: `\`kuke get ${first}\`, then the next; \`kuke tree\` and \`kuke get --resources\` show all levels`,
  });
}

/** Throws Usage where a KIND is needed. */
function requireAllLevels(args: {
  resources?: boolean | undefined;
  watch?: boolean | undefined;
  'sort-by'?: string | undefined;
}): void {
  if (!args.resources)
    throw new KukeError('Usage', 'KIND is needed', {
      remedy: 'say which: realms, spaces, stacks, cells or containers, as in `kuke get cells`',
    });
  if (args.watch || args['sort-by'] !== undefined)
    throw new KukeError('Usage', '-w and --sort-by need a KIND', {
      remedy: 'say which, as in `kuke get cells --resources -w`; `kuke top` goes on',
    });
}
