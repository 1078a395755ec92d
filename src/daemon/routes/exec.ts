/** A process in a container that runs, over a connection that becomes frames. */
import { containersOf, pick, runtimeId, whyNot } from '../../cli/cell-process/containers.ts';
import { writeBytes } from '../../host/byte-flow.ts';
import { makePipe, type PipeEnd, readPiece } from '../../host/pipe.ts';
import type { ExecProcess } from '../../kernel/backends/index.ts';
import { asKukeError, KukeError } from '../../kernel/errors.ts';
import { describe } from '../../kernel/resource.ts';
import { HIDDEN } from '../../kernel/secret-fields.ts';
import { type Mux, type Receiver, type Sender, WINDOW } from '../console/mux.ts';
import { MOST_CHARACTERS } from '../console/protocol.ts';
import { auditedRequest } from './audited-request.ts';
import { PROTOCOL, type Served, serveFrames } from './frames.ts';
import { CELL, cellIn } from './logs.ts';
import { flag, text, texts, wholeNumber } from './query.ts';
import { type UpgradeRoute, upgradeRoute } from './route.ts';

/** Between the SIGHUP and the SIGKILL to what a client has left. */
const PARTING_MS = 10_000;

export const execRoute: UpgradeRoute = upgradeRoute({
  method: 'POST',
  path: `${CELL}/exec`,
  id: 'exec',
  summary: 'run a program in a container that runs',
  protocol: PROTOCOL,
  query: {
    command: texts('program and arguments, one each'),
    container: text('by name; absent: the root'),
    env: texts('KEY=VALUE, besides the container’s own'),
    workdir: text('folder to run it in; absent: the container’s own'),
    user: text('USER[:GROUP], names or numbers; absent: the container’s own'),
    stdin: flag('it reads what comes on channel 0; else nothing'),
    tty: flag('it has a terminal'),
    columns: wholeNumber('of the terminal', MOST_CHARACTERS),
    rows: wholeNumber('of the terminal', MOST_CHARACTERS),
  },
  async accept(call) {
    const { query, daemon, signal } = call;
    const { command = [], env = [], workdir, user } = query;
    if (command.length === 0) throw new KukeError('Usage', 'query: command: is missing', { field: 'command' });
    if (workdir?.startsWith('/') === false)
      throw new KukeError('Usage', `query: workdir: \`${workdir}\` is not an absolute path`, { field: 'workdir' });
    const wrong = env.find(one => !/^[^=\0]+=[^\0]*$/.test(one));
    if (wrong !== undefined)
      throw new KukeError('Usage', 'query: env: one is not KEY=VALUE', { field: 'env', remedy: 'mend it' });
    const kernel = await daemon.reading();
    const ref = cellIn(call);
    const cell = await containersOf(kernel, ref);
    const container = pick(cell, query.container);
    const runtime = await kernel.use('runtime');
    const pipes = makePipes(query.stdin === true);
    try {
      const terminal = { columns: query.columns ?? 80, rows: query.rows ?? 24 };
      const process = await runtime.exec(
        {
          ...runtimeId(cell, container),
          command,
          env,
          ...(workdir !== undefined && { workingDir: workdir }),
          ...(user !== undefined && { user }),
          ...(query.tty && { terminal }),
          ...(pipes.stdin && { stdin: pipes.stdin.reading.fd }),
          stdout: pipes.stdout.writing.fd,
          stderr: pipes.stderr.writing.fd,
        },
        signal,
      );
      // Arguments and environment may hold what is nobody's business.
      const [program = '', ...rest] = command;
      const told = [program.slice(0, 500), ...(rest.length > 0 ? [HIDDEN] : [])].join(' ');
      const request = `POST /v1beta1/${describe(ref)}/exec ${container.id} -- ${told}`;
      await auditedRequest(call, request).ended({ resources: [{ resource: describe(ref), result: 'exec' }] });
      return serveFrames(serve(process, pipes));
    } catch (thrown) {
      pipes.close();
      const why = await whyNot(kernel, cell.ref, container.id, {}, thrown);
      throw asKukeError(why, 'Failed', { resource: `${describe(cell.ref)}, container ${container.id}` });
    }
  },
});

interface Pipes {
  stdin?: { reading: PipeEnd; writing: PipeEnd };
  stdout: { reading: PipeEnd; writing: PipeEnd };
  stderr: { reading: PipeEnd; writing: PipeEnd };
  close(): void;
}

function makePipes(isFed: boolean): Pipes {
  const all = Array.from({ length: isFed ? 3 : 2 }, makePipe);
  const [stdout, stderr, stdin] = all;
  if (stdout === undefined || stderr === undefined) throw new KukeError('Internal', 'no pipes');
  const close = () => {
    for (const { reading, writing } of all) {
      reading.close();
      writing.close();
    }
  };
  return { stdout, stderr, ...(stdin && { stdin }), close };
}

function serve(process: ExecProcess, pipes: Pipes): (mux: Mux) => Served {
  return mux => {
    const out = [pump(pipes.stdout.reading, mux.sender(1, WINDOW)), pump(pipes.stderr.reading, mux.sender(2, WINDOW))];
    const { stdin } = pipes;
    if (stdin !== undefined) feed(mux.receiver(0, WINDOW), stdin.writing).catch(() => {}); // its end is the end of the input
    let parting: Timer | undefined;
    return {
      process,
      gone() {
        process.signal('SIGHUP').catch(() => {});
        parting = setTimeout(() => process.signal('SIGKILL').catch(() => {}), PARTING_MS).unref();
      },
      async ended() {
        clearTimeout(parting);
        pipes.stdout.writing.close();
        pipes.stderr.writing.close();
        await Promise.allSettled(out);
        pipes.close();
      },
    };
  };
}

async function pump(from: PipeEnd, to: Sender): Promise<void> {
  try {
    for (let piece = await readPiece(from.fd, WINDOW); piece; piece = await readPiece(from.fd, WINDOW)) {
      to.write(piece);
      if (!(await to.sent())) return;
    }
  } finally {
    to.end();
    from.close(); // who writes on is told that nobody listens
  }
}

async function feed(from: Receiver, to: PipeEnd): Promise<void> {
  try {
    for await (const bytes of from) if (!(await writeBytes(to.fd, bytes))) return;
  } finally {
    to.close();
  }
}
