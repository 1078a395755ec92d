import { asKukeError, KukeError } from '../kernel/errors.ts';
import { asFileError } from '../kernel/file-errors.ts';
import { describe } from '../kernel/resource.ts';
import { auditOf } from './audit.ts';
import { cellRef, containersOf, pick, runtimeId, whyNot } from './cell-process/containers.ts';
import { command, type Invocation } from './command.ts';
import { currentConsole, type Files } from './console/console.ts';
import type { Unpacked } from './cp/file-trees.ts';
import { leftOut } from './cp/left-out.ts';
import { type Copy, readCopy } from './cp/places.ts';
import { commandsFor, type Planned, planCopy } from './cp/plan.ts';
import { openKernel, requireRoot } from './open-kernel.ts';
import { bytes } from './output/bytes.ts';
import { makeScript } from './output/explain.ts';
import { isTerminal, tell } from './output/terminal.ts';
import { planArgs, planFlags } from './plan-flags.ts';
import { scopeArgs } from './scope.ts';

export default command({
  summary: 'copy files and folders into a container that runs, or out of it',
  examples: [
    ['cp site web:/srv', 'into /srv, if that is a folder, else as /srv'],
    ['cp web:/etc/nginx ./nginx -c nginx', 'out of it'],
    ['cp web:/var/lib/data - | gzip > data.tar.gz', 'as a tar archive, to standard output'],
    ['cp - web:/srv < site.tar', 'what is in an archive, into a folder'],
    ['cp site web:/srv --dry-run', 'where it would go'],
  ],
  args: {
    source: {
      type: 'positional',
      required: true,
      description: 'PATH, CELL:PATH, or - for a tar archive on standard input',
    },
    target: { type: 'positional', required: true, description: 'PATH, CELL:PATH, or - for standard output' },
    container: { type: 'string', alias: 'c', valueHint: 'NAME', description: 'container (the root)' },
    ...planArgs,
    ...scopeArgs,
  },
  async run(invocation) {
    const { args, program } = invocation;
    const copy = readCopy(args.source, args.target);
    const local = copy.local === '-' ? undefined : await currentConsole().files.look(copy.local);
    refuseMissing(copy, local);
    requireRoot();
    const kernel = await openKernel(invocation, { reads: true });
    const cell = await containersOf(kernel, cellRef(kernel, copy.cell, args));
    const container = pick(cell, args.container);
    const trees = await program.fileTrees();
    try {
      using root = await (await kernel.use('runtime')).openRoot(runtimeId(cell, container));
      const planned = planCopy(copy, path => trees.whatIsIn(root.fd, path), local?.what ?? null);
      const script = makeScript(kernel, invocation);
      await script.add(commandsFor(planned, copy.local, cell.namespace, container.containerdId));
      script.end(true);
      await (planFlags(args).isDryRun
        ? foretell(copy, planned, invocation)
        : perform(copy, planned, root.fd, invocation, describe(cell.ref)));
    } catch (thrown) {
      const failure = thrown instanceof KukeError ? thrown : asFileError(thrown);
      const why = await whyNot(kernel, cell.ref, container.id, args, failure);
      throw asKukeError(why).at({ resource: `${describe(cell.ref)}, container ${container.id}` });
    }
    return 0;
  },
});

type Given = Pick<Invocation, 'program' | 'globals'> & { args: object };

function foretell(copy: Copy, planned: Planned, { args }: Given): void {
  if (!planFlags(args).isExplained) tell(`would copy ${fromTo(copy, planned)}`);
}

const fromTo = ({ cell, inner, local }: Copy, { isUpload, to }: Planned): string =>
  isUpload ? `${local} to ${cell}:${to}` : `${cell}:${inner} to ${to}`;

async function perform(
  copy: Copy,
  planned: Planned,
  root: number,
  invocation: Pick<Invocation, 'program' | 'globals' | 'line'>,
  resource: string,
): Promise<void> {
  const { program, globals } = invocation;
  const trees = await program.fileTrees();
  const { files, stdin, streams } = currentConsole();
  let done: Unpacked;
  if (planned.isUpload) {
    const { folder, name } = planned;
    const archive = name === undefined ? stdin() : files.pack(copy.local, name, program);
    const unpacked = () => trees.unpackIn(root, folder, archive, leftOut);
    done = await auditOf(invocation).of(unpacked, () => [{ resource, result: 'copied into' }]);
  } else {
    const archive = trees.packIn(root, planned.inner, planned.name, leftOut);
    if (copy.local === '-') {
      const { writeBytes } = await streams(program);
      for await (const piece of archive) if (!(await writeBytes(1, piece))) break;
      return;
    }
    done = await files.unpack(copy.local, planned.isInto, archive, program);
  }
  if (globals.quiet) return;
  const many = `${done.files} ${done.files === 1 ? 'file' : 'files'}, ${bytes(done.bytes)}`;
  tell(`copied ${fromTo(copy, planned)} (${many})`);
}

function refuseMissing({ local, isUpload }: Copy, found: Awaited<ReturnType<Files['look']>> | undefined): void {
  if (found === undefined) {
    if (isUpload && isTerminal(0))
      throw new KukeError('Usage', '-: standard input is your terminal', { remedy: 'pipe an archive into it' });
    if (!isUpload && isTerminal(1))
      throw new KukeError('Usage', '-: standard output is your terminal', { remedy: 'send it to a file or a pipe' });
    return;
  }
  if (isUpload && found.what === null)
    throw new KukeError('Usage', `${local}: no such file or folder`, { remedy: 'name one that is there' });
  if (!isUpload && (!found.hasFolder || (found.what === null && local.endsWith('/'))))
    throw new KukeError('Usage', `${local}: no such folder`, { remedy: 'name one that is there' });
}
