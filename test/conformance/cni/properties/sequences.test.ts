/** Random sequences of ADD, DEL, CHECK, GC, plugins that are killed, lost namespaces and reboots leave the host as a model says. */
import { expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { attachmentOf, expectMatch, left, onHost } from '../case.ts';
import type { Host } from '../host.ts';
import { type Attachment, add, del, gc } from '../network.ts';
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
  if (first !== undefined) {
    const { json } = await add(first.attachment);
    await del(first.attachment, json);
  }
  return { host, pods };
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
        expect(left(before, await host.snapshot(), [/^container /])).toEqual([]);
        const inside = (await host.snapshot()).filter(line => /^container link (?!lo)/.test(line));
        expect(inside).toEqual([]);
      }),
    );
    await fc.assert(property, examples(6));
  },
  LIMIT,
);
