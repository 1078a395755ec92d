import { type AuditEntry, readAudit, whoIs } from '../kernel/audit.ts';
import { refuseStateless } from '../kernel/desired-state.ts';
import { formatDocument } from '../kernel/documents.ts';
import { readTree } from '../kernel/observe.ts';
import { describe } from '../kernel/resource.ts';
import { type Made, revisionsOf, toldRevisions } from '../kernel/revisions/revision.ts';
import { noSuchRevision } from '../kernel/revisions/undo.ts';
import { refuseDamaged } from '../kernel/tree.ts';
import { auditPath } from './audit.ts';
import { command } from './command.ts';
import { ago, operationsOn } from './describe/operations.ts';
import { openKernel } from './open-kernel.ts';
import { changeText } from './output/outcomes.ts';
import { printable } from './output/printable.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { textOutputArg } from './output-arg.ts';
import { parseRevision } from './rollout/revision-arg.ts';
import { namedArgs, namedRef, scopeArgs } from './scope.ts';

export default command({
  summary:
    'see the revisions of a cell’s manifest: when each was made, by whom, what it changed; the last is what holds',
  examples: [
    ['rollout history web', 'all that are kept, the oldest first'],
    ['rollout history web --revision 3', 'one of them as a manifest'],
    ['rollout history web -o json', 'for scripts, field by field'],
  ],
  args: {
    ...namedArgs,
    revision: { type: 'string', valueHint: 'N', description: 'the manifest of this one' },
    ...textOutputArg,
    ...scopeArgs,
  },
  async run(invocation) {
    const { args, globals } = invocation;
    const wanted = parseRevision(args.revision, '--revision');
    const kernel = await openKernel(invocation, { reads: true });
    const { kind, ref } = namedRef(kernel, args);
    refuseStateless(kind, 'rollout history');
    const tree = await readTree(kernel);
    refuseDamaged(tree, ref, 'itself');
    const revisions = await revisionsOf(kernel, tree.get(ref));
    if (wanted !== undefined) {
      const one = revisions.find(({ revision }) => revision === wanted);
      if (one === undefined) throw noSuchRevision(ref, revisions, wanted);
      print(args.output === 'json' ? JSON.stringify(one.manifest, null, 2) : formatDocument(one.manifest));
      return 0;
    }
    const [first] = revisions;
    const name = describe(ref);
    const made =
      first?.at === undefined && first?.revision === 1 ? madeBy(await readAudit(auditPath(globals), name), name) : {};
    const shown = toldRevisions(kind, revisions).map(({ manifest: _, ...one }, index) =>
      index === 0 ? { ...one, ...made } : one,
    );
    if (args.output === 'json') print(JSON.stringify(shown, null, 2));
    else printRevisions(shown);
    return 0;
  },
});

type Shown = Omit<ReturnType<typeof toldRevisions>[number], 'manifest'>;

/** Of the first one nothing is kept; the audit log may know. */
function madeBy(entries: readonly AuditEntry[], name: string): Made {
  const created = operationsOn(name, entries, Number.POSITIVE_INFINITY).find(({ result }) => result === 'created');
  if (created === undefined) return {};
  const { at, command, uid, user, login } = created;
  const by = { ...(uid !== undefined && { uid }), ...(user && { user }), ...(login && { login }) };
  return { at, command, by };
}

function printRevisions(revisions: readonly Shown[]): void {
  const now = Date.now();
  const rows = revisions.map(({ revision, at, by, command = '-' }) => [
    `${revision}`,
    at === undefined ? '-' : `${at.replace(/\.\d+Z$/, 'Z')} (${ago(now - Date.parse(at))})`,
    by === undefined ? '-' : whoIs(by),
    printable(command),
  ]);
  const [head = '', ...lines] = alignColumns([['REVISION', 'WHEN', 'BY', 'COMMAND'], ...rows]).split('\n');
  print(head);
  lines.forEach((line, index) => {
    const changes = revisions[index]?.changes ?? [];
    print([line, ...changes.map(one => `  ${printable(changeText(one))}`)].join('\n'));
  });
}
