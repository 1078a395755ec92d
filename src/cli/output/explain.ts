/** Operations as a shell script: what is known of a plan, typed by a person. */

import { shellQuote } from '../../kernel/backends/shell.ts';
import type { DryRun } from '../../kernel/dry-run/dry-run.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { Invocation } from '../command.ts';
import { planFlags } from '../plan-flags.ts';
import { printable } from './printable.ts';
import { print } from './standard-output.ts';

/** `line`: the command, as the user typed it; `instance`: as a word of the shell. Its commands use `$KUKE_INSTANCE`, the installation's id, and ctr its variable. */
function head({ settings: { containerdSocket } }: Pick<Kernel, 'settings'>, line: string, instance: string): string {
  const variables = [
    `KUKE_INSTANCE=${instance}`,
    ...(containerdSocket === CTRS_OWN ? [] : [`export CONTAINERD_ADDRESS=${shellQuote(containerdSocket)}`]),
  ];
  return ['#!/bin/bash', comment(line), 'set -e', ...variables].join('\n');
}

const CTRS_OWN = '/run/containerd/containerd.sock';

export function comment(text: string): string {
  return printable(text)
    .split('\n')
    .map(line => `# ${line}`.trimEnd())
    .join('\n');
}

/** The steps of a dry run in order. What only the run will know is a variable, which the command that makes it assigns. */
export async function script(
  kernel: Pick<Kernel, 'settings'>,
  { steps, unknowns }: DryRun,
  line: string,
  instance: string,
): Promise<string> {
  const texts: string[] = [];
  for (const step of steps) texts.push(await step.explain());
  const needed = texts.flatMap(text => unknowns.usedIn(text));
  const blocks = steps.map(({ resource, type }, index) => {
    const kept = new Set(needed.flatMap(({ step, variable }) => (step === index + 1 ? [variable] : [])));
    return [
      comment(`${resource}: ${type}`),
      unknowns.inShell(texts[index] ?? ''),
      ...[...kept].map(variable => unknowns.keep(index + 1, variable)),
    ].join('\n');
  });
  return [head(kernel, line, instance), ...blocks].join('\n\n');
}

/** A script of what has no plan: `add` a command before it is done. */
export interface Script {
  add(commands: string): Promise<void>;
  /** Of a dry run it is printed only here, and where `isWell`: half a script is none. */
  end(isWell: boolean): void;
}

export function makeScript(
  kernel: Pick<Kernel, 'settings' | 'instance'>,
  { line, args }: Pick<Invocation, 'line'> & { args: object },
): Script {
  const { isDryRun, isExplained } = planFlags(args);
  const texts: string[] = [];
  let isBegun = false;
  return {
    async add(commands) {
      if (!isExplained || commands === '') return;
      const first = isBegun ? [] : [head(kernel, line, shellQuote(await kernel.instance()))];
      isBegun = true;
      for (const text of [...first, commands]) isDryRun ? texts.push(text) : print(`${text}\n`);
    },
    end: isWell => isWell && texts.length > 0 && print(texts.join('\n\n')),
  };
}

/** Prints each operation's command just before it runs. */
export function explainAsItRuns(kernel: Kernel, line: string): void {
  let isBegun = false;
  kernel.hooks.tap('kuke', 'repair:before', async ({ finding: { what, byHand } }) => {
    if (byHand === undefined) return;
    if (!isBegun) print(head(kernel, line, shellQuote(await kernel.instance())));
    isBegun = true;
    print(`\n${comment(what)}\n${byHand()}`);
  });
  kernel.hooks.tap('kuke', 'step:before', async ({ type, params, resource }) => {
    const [text, instance] = await Promise.all([
      kernel.operations.get(type).explain(params),
      kernel.instance().then(shellQuote, () => ''),
    ]);
    if (!isBegun) print(head(kernel, line, instance));
    isBegun = true;
    print(`\n${comment(`${resource}: ${type}`)}\n${text}`);
  });
}
