/** Runs a sequence of calls on a folder, and compares each answer, and the files after it, with the model. */
import { expect } from 'bun:test';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { hostLocal } from '../../../../../src/cni/plugins/host-local/host-local.ts';
import { PluginError } from '../../../../../src/cni/plugins/plugin-error.ts';
import { type AnyCall, callOf, type DataDir } from './call.ts';
import { ipamOf, Model, type ModelSets, type Step } from './model.ts';

/** Executes the reference plugin; returns the addresses of an ADD, or undefined for an error. */
export type Reference = (verb: Step['verb'], call: AnyCall) => string[] | undefined;

export async function runSteps(data: DataDir, sets: ModelSets, steps: readonly Step[], reference?: Reference) {
  const model = new Model(sets);
  const ipam = { ...ipamOf(sets), dataDir: data.path };
  for (const { verb, id, ifName, requested, valid, ...step } of steps) {
    const who = `${id} ${ifName}`;
    const mayDiffer = verb === 'GC' || (requested.length > 0 && model.holds(who));
    const foreign = step.reference && !mayDiffer ? reference : undefined;
    const runtimeConfig = verb === 'ADD' && requested.length > 0 ? { ips: requested } : {};
    const call = callOf(ipam, { command: verb, containerId: id, ifName, runtimeConfig, valid, cniVersion: '1.0.0' });
    const done = foreign === undefined ? await ours(verb, call) : foreign(verb, call);
    expect([verb, done]).toEqual([verb, expected(model, verb, who, requested, valid, foreign !== undefined)]);
    expect(data.given()).toEqual(Object.fromEntries(model.given));
    for (const [index, last] of model.last) {
      expect(readFileSync(join(data.folder, `last_reserved_ip.${index}`), 'utf8')).toBe(last);
    }
    if (foreign === undefined && done !== undefined) expectIndex(data, model);
  }
  return model;
}

async function ours(verb: Step['verb'], call: AnyCall): Promise<string[] | undefined> {
  try {
    if (verb === 'ADD')
      return (await hostLocal.add(call)).ips.map(({ address }) => address.slice(0, address.indexOf('/')));
    if (verb === 'CHECK') await hostLocal.check(call);
    else if (verb === 'DEL') await hostLocal.del(call);
    else await hostLocal.gc(call);
    return [];
  } catch (error) {
    if (error instanceof PluginError) return undefined;
    throw error;
  }
}

function expected(
  model: Model,
  verb: Step['verb'],
  who: string,
  requested: readonly string[],
  valid: Step['valid'],
  byReference: boolean,
): string[] | undefined {
  if (verb === 'ADD') return model.add(who, requested, byReference);
  if (verb === 'CHECK') return model.holds(who) ? [] : undefined;
  model.keep(verb === 'DEL' ? one => one !== who : one => valid.some(v => one === `${v.containerId} ${v.ifName}`));
  return [];
}

/** A link leads to each address, and there is none besides; nothing else need be read by the next. */
function expectIndex({ folder }: DataDir, { given }: Model): void {
  const index = join(folder, '.by-id');
  const names = existsSync(index) ? readdirSync(index) : [];
  const targets = names.map(name => readlinkSync(join(index, name)).slice('../'.length));
  expect(targets.sort()).toEqual([...given.keys()].sort());
  expect(existsSync(index)).toBe(given.size > 0);
}
