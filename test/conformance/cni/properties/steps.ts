/** What can happen to a network: fast-check's commands, each of which changes the model and the host alike. */
import { expect } from 'bun:test';
import * as fc from 'fast-check';
import { output } from '../../../host/observe/command.ts';
import { expectError, expectMatch, expectResult } from '../case.ts';
import { add, begin, check, del, gc } from '../network.ts';
import type { Json } from '../plugin.ts';
import { compare, LEAKY, type Model, type Pod, type Real, type State } from './model.ts';

export const PODS = 3;

type Step = fc.AsyncCommand<Model, Real>;

/** A step with one pod: when it may be taken, and what it does, which ends with the pod's new state. */
function step(
  name: string,
  index: number,
  may: readonly State[] | undefined,
  act: (pod: Pod, real: Real) => Promise<State>,
): Step {
  return {
    check: ({ states }) => may === undefined || may.includes(states[index] ?? 'detached'),
    async run(model, real) {
      const pod = real.pods[index];
      if (pod === undefined) throw new Error(`no pod ${index}`);
      pod.state = await act(pod, real);
      await settle(model, real);
    },
    toString: () => `${name} ${index}`,
  };
}

async function settle(model: Model, real: Real): Promise<void> {
  model.states = real.pods.map(({ state }) => state);
  await compare(real);
}

const attach = (index: number): Step =>
  step('ADD', index, ['detached'], async pod => {
    pod.result = expectResult(await add(pod.attachment), '1.0.0');
    return 'attached';
  });

function detach(index: number, withResult: boolean, withNetns: boolean): Step {
  const how = `${withResult ? ' with' : ' without'} result${withNetns ? '' : ' and netns'}`;
  return step(`DEL${how}`, index, undefined, async ({ attachment, result }) => {
    const netns = withNetns || LEAKY ? attachment.netns : '';
    const answer = await del({ ...attachment, netns }, withResult ? result : undefined);
    expectMatch(answer, { status: 0, stdout: '' });
    return 'detached';
  });
}

const examine = (index: number): Step =>
  step('CHECK', index, ['attached', 'lost'], async ({ attachment, result, state }) => {
    const answer = await check(attachment, result);
    if (state === 'attached') expectMatch(answer, { status: 0, stdout: '' });
    else expectError(answer, Number(answer.json?.code));
    return state;
  });

/** A plugin of the chain is killed, after so many hundredths of the time that it takes; those before it were run to their end. */
function kill(verb: 'ADD' | 'DEL', index: number, which: number, hundredths: number): Step {
  const may: State[] | undefined = verb === 'ADD' ? ['detached'] : undefined;
  return step(
    `kill, after ${hundredths} % of its time, plugin ${which} of ${verb}`,
    index,
    may,
    async ({ attachment, result }, { durations }) => {
      const { plugins } = attachment.network;
      const chain = verb === 'ADD' ? plugins : plugins.toReversed();
      const nth = which % chain.length;
      let last: Json | undefined = verb === 'ADD' ? undefined : result;
      for (const plugin of chain.slice(0, nth)) {
        const answer = await begin(attachment, verb, plugin, last).answer;
        expect(answer.status).toBe(0);
        if (verb === 'ADD') last = answer.json;
      }
      const running = begin(attachment, verb, chain[nth] ?? { type: '' }, last);
      await Bun.sleep(((durations[verb][nth] ?? 0) * hundredths) / 100);
      running.kill('SIGKILL');
      await running.answer;
      return 'unknown';
    },
  );
}

/** The container is gone; another has got a namespace of the same name since. */
const lose = (index: number): Step =>
  step('the netns is lost of', index, undefined, async (pod, { host }) => {
    await output('ip', 'netns', 'del', pod.container.name);
    await output('ip', 'netns', 'add', pod.container.name);
    await gone(host.name, pod);
    return pod.state === 'attached' ? 'lost' : pod.state;
  });

/** The kernel removes a namespace's interfaces some time after its name has gone. */
async function gone(host: string, { result }: Pod): Promise<void> {
  const name = (result?.interfaces as { name: string }[] | undefined)?.[1]?.name;
  while (name !== undefined && (await output('ip', '-n', host, '-br', 'link')).includes(`${name}@`)) await Bun.sleep(5);
}

/** All of /run and the kernel's state; files on disk stay. */
const reboot: Step = {
  check: () => true,
  async run(model, real) {
    await real.host.reboot();
    for (const pod of real.pods) if (pod.state === 'attached') pod.state = 'lost';
    await settle(model, real);
  },
  toString: () => 'reboot',
};

const collect: Step = {
  check: () => !LEAKY,
  async run(model, real) {
    const attachments = real.pods.map(({ attachment }) => attachment);
    const valid = attachments.filter((_, index) => real.pods[index]?.state === 'attached');
    const network = { cniVersion: '1.1.0', name: 'net', plugins: attachments[0]?.network.plugins ?? [] };
    expectMatch(await gc(real.host, network, valid), { status: 0, stdout: '' });
    for (const pod of real.pods) if (pod.state !== 'attached') pod.state = 'detached';
    await settle(model, real);
  },
  toString: () => 'GC',
};

const pod = fc.nat(PODS - 1);
const moment = fc.nat(120);

export const steps: fc.Arbitrary<Step>[] = [
  pod.map(attach),
  pod.map(attach),
  fc.tuple(pod, fc.boolean(), fc.boolean()).map(given => detach(...given)),
  pod.map(examine),
  fc.tuple(pod, fc.nat(2), moment).map(given => kill('ADD', ...given)),
  fc.tuple(pod, fc.nat(2), moment).map(given => kill('DEL', ...given)),
  pod.map(lose),
  fc.constant(collect),
  fc.constant(reboot),
];
