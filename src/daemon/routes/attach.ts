/** The first process of a container that runs, over a connection that becomes frames: its input and its terminal, and what it writes from now on. */

import { containersOf, pick, runtimeId, whyNot } from '../../cli/cell-process/containers.ts';
import { writeBytes } from '../../host/byte-flow.ts';
import { endOfLog, openLog } from '../../host/rotated-log/read.ts';
import { type Attended, attend, codeOf } from '../../kernel/attend.ts';
import type { ProcessInput } from '../../kernel/backends/index.ts';
import { asKukeError } from '../../kernel/errors.ts';
import { describe, type ResourceRef } from '../../kernel/resource.ts';
import { type Mux, type Receiver, WINDOW } from '../console/mux.ts';
import { MOST_CHARACTERS } from '../console/protocol.ts';
import { auditedRequest } from './audited-request.ts';
import { PROTOCOL, type Served, serveFrames } from './frames.ts';
import { CELL, cellIn } from './logs.ts';
import { flag, text, wholeNumber } from './query.ts';
import { type UpgradeRoute, upgradeRoute } from './route.ts';

export const attachRoute: UpgradeRoute = upgradeRoute({
  method: 'POST',
  path: `${CELL}/attach`,
  id: 'attach',
  summary: 'be at the terminal, or the input, of a container’s first process; who goes leaves it running',
  protocol: PROTOCOL,
  query: {
    container: text('by name; absent: the root'),
    stdin: flag('it reads what comes on channel 0'),
    columns: wholeNumber('of its terminal, if it has one', MOST_CHARACTERS),
    rows: wholeNumber('of its terminal', MOST_CHARACTERS),
  },
  async accept(call) {
    const { query, daemon } = call;
    const kernel = await daemon.reading();
    const ref = cellIn(call);
    const cell = await containersOf(kernel, ref);
    const container = pick(cell, query.container);
    const { logPath } = container;
    const runtime = await kernel.use('runtime');
    const id = runtimeId(cell, container);
    try {
      const input = await runtime.attach(id);
      const { columns, rows } = query;
      if (input.hasTerminal && columns && rows) await input.resize({ columns, rows }).catch(() => {});
      const request = `POST /v1beta1/${describe(ref)}/attach ${container.id}`;
      if (query.stdin)
        await auditedRequest(call, request).ended({ resources: [{ resource: describe(ref), result: 'attached' }] });
      const place = { runtime, id, logPath, offset: endOfLog(logPath) };
      return serveFrames(serve(place, input, cell.ref, query.stdin === true));
    } catch (thrown) {
      const why = await whyNot(kernel, cell.ref, container.id, {}, thrown);
      throw asKukeError(why, 'Failed', { resource: `${describe(cell.ref)}, container ${container.id}` });
    }
  },
});

function serve(place: Attended, input: ProcessInput, ref: ResourceRef, isFed: boolean): (mux: Mux) => Served {
  return mux => {
    const { runtime, id } = place;
    const out = mux.sender(1, WINDOW);
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    const write = async (bytes: Uint8Array): Promise<boolean> => {
      out.write(bytes.slice());
      return await out.sent();
    };
    const exited = attend(place, { logs: { openLog, endOfLog }, write }, left).then(end => codeOf(end, ref));
    if (isFed) feed(mux.receiver(0, WINDOW), input).catch(() => {}); // a client that is gone ends nothing
    return {
      process: { exited, signal: name => runtime.signal(id, name), resize: size => input.resize(size) },
      gone: leave,
      async ended() {
        out.end();
        input[Symbol.dispose]();
      },
    };
  };
}

async function feed(from: Receiver, input: ProcessInput): Promise<void> {
  for await (const bytes of from) if (input.stdin === undefined || !(await writeBytes(input.stdin, bytes))) return;
  await input.fed();
}
