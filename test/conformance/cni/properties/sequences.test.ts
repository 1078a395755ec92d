/** Random sequences of ADD, DEL, CHECK, GC, plugins that are killed, lost namespaces and reboots leave the host as a model says. */
import { expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { attachmentOf, expectMatch, left, onHost } from '../case.ts';
import type { Host } from '../host.ts';
import { type Attachment, begin, del, gc } from '../network.ts';
import type { Json } from '../plugin.ts';
import { checkAll, LEAKY, plugins, type Real } from './model.ts';
import { PODS, steps } from './steps.ts';
import { examples, LIMIT } from './times.ts';

async function prepared(host: Host): Promise<Real> {
  const pods: Real['pods'] = [];
  for (let index = 0; index < PODS; index++) {
    const container = await host.container();
    const runtimeConfig = { portMappings: [{ hostPort: 8080 + index, containerPort: 80, protocol: 'tcp' }] };
    const attachment = attachmentOf({ name: '', plugins, runtimeConfig }, host, container);
    pods.push({ container, attachment, state: 'detached', result: undefined });
  }
  // The network's own folder is there from the first attachment on.
  const [first] = pods;
  if (first === undefined) throw new Error('no pods');
  const { json, durations: ofAdd } = await timed(first.attachment, 'ADD');
  const { durations: ofDel } = await timed(first.attachment, 'DEL', json);
  return { host, pods, durations: { ADD: ofAdd, DEL: ofDel } };
}

/** Runs a verb, and tells how many milliseconds each plugin took. */
async function timed(attachment: Attachment, verb: 'ADD' | 'DEL', result?: Json) {
  const { plugins } = attachment.network;
  const durations: number[] = [];
  let json = result;
  for (const plugin of verb === 'ADD' ? plugins : plugins.toReversed()) {
    const started = performance.now();
    const answer = await begin(attachment, verb, plugin, json).answer;
    durations.push(performance.now() - started);
    if (verb === 'ADD') json = answer.json;
  }
  return { json, durations };
}

async function clean(attachments: Attachment[], host: Host): Promise<void> {
  for (const attachment of attachments) expectMatch(await del(attachment), { status: 0, stdout: '' });
  const [first] = attachments;
  if (LEAKY || first === undefined) return;
  expectMatch(await gc(host, { ...first.network, cniVersion: '1.1.0' }, []), { status: 0 });
}

test(
  'whatever happened, kernel and disk are as the model says, and DEL leaves nothing',
  async () => {
    const property = fc.asyncProperty(fc.commands(steps, { maxCommands: 14, size: 'max' }), commands =>
      onHost(async host => {
        const before = await host.snapshot();
        const real = await prepared(host);
        await fc.asyncModelRun(() => ({ model: { states: real.pods.map(({ state }) => state) }, real }), commands);
        await checkAll(real);
        await clean(
          real.pods.map(({ attachment }) => attachment),
          host,
        );
        // Who is killed over a new bridge may not have come to set it up.
        expect(left(before, await host.snapshot(), [/^container /, /^link br0$/])).toEqual([]);
        const inside = (await host.snapshot()).filter(line => /^container link (?!lo)/.test(line));
        expect(inside).toEqual([]);
      }),
    );
    await fc.assert(property, examples(6));
  },
  LIMIT,
);
