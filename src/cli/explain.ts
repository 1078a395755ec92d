import { KukeError } from '../kernel/errors.ts';
import { type Field, fieldsOfKind } from '../kernel/fields.ts';
import type { KindDefinition } from '../kernel/kinds.ts';
import { didYouMean } from '../kernel/names.ts';
import type { Kernel } from '../kernel/registry.ts';
import { command } from './command.ts';
import { openKernel } from './open-kernel.ts';
import type { Explained } from './output/field.ts';
import { print } from './output/standard-output.ts';
import { textOutputArg } from './output-arg.ts';

export default command({
  summary:
    'explain a kind of resource, or a field of its manifest: type, default, values, and what a change of it takes',
  examples: [
    ['explain cell', 'what a manifest of a cell may say'],
    ['explain cell.spec.containers.ports', 'one field; `spec` may be left out, and a list is passed through'],
    ['explain space --recursive', 'all fields in a tree'],
  ],
  args: {
    kind: { type: 'positional', required: true, description: 'kind, and fields after dots: cell.spec.containers' },
    recursive: { type: 'boolean', description: 'all fields below it in a tree, without descriptions' },
    ...textOutputArg,
  },
  async run(invocation) {
    const { kind, recursive, output } = invocation.args;
    const kernel = await openKernel(invocation, { reads: true });
    const explained = explain(kernel, kind);
    if (output === 'json') print(JSON.stringify(explained, null, 2));
    else print((await import('./output/field.ts')).explainedText(explained, recursive === true));
    return 0;
  },
});

/** `cell.spec.containers.ports`, with or without `spec` and with indexes of lists. Throws Usage. */
export function explain(kernel: Pick<Kernel, 'kinds'>, asked: string): Explained {
  const [word = '', ...names] = asked.replaceAll(/\[[^\]]*\]/g, '').split('.');
  const kind = kernel.kinds.lookup(word);
  const whole = fieldsOfKind(kernel.kinds, kind);
  const named = `${kind.kind}${kind.aliases.length > 0 ? ` (${kind.aliases.join(', ')})` : ''}`;
  const found = follow(kind, whole, names);
  const last = found.at(-1);
  return {
    kind: named,
    path: found.map(({ name }) => name).join('.'),
    description: last?.description ?? kind.description,
    ...(last && { field: last }),
    fields: last?.fields ?? whole,
  };
}

function follow({ kind }: KindDefinition, whole: Field[], names: readonly string[]): Field[] {
  const [first] = names;
  const spec = whole.find(({ name }) => name === 'spec');
  const skipsSpec = first !== undefined && spec?.fields.some(({ name }) => name === first) === true;
  const isAbove = whole.some(({ name }) => name === first);
  const found: Field[] = spec && skipsSpec && !isAbove ? [spec] : [];
  for (const name of names) {
    const known = found.at(-1)?.fields ?? whole;
    const next = known.find(field => field.name === name);
    if (next === undefined) {
      const where = [kind.toLowerCase(), ...found.map(field => field.name)].join('.');
      const all = found.length === 0 ? [...known, ...(spec?.fields ?? [])] : known;
      const remedy = known.length === 0 ? `${where} has no fields` : `see \`kuke explain ${where}\``;
      const near = didYouMean(
        name,
        all.map(field => field.name),
      );
      throw new KukeError('Usage', `${where} has no field \`${name}\`${near}`, { remedy });
    }
    found.push(next);
  }
  return found;
}
