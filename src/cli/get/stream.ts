/** Resources that change, one after another, in each format. */
import type { Change } from '../../kernel/changes.ts';
import type { KindDefinition } from '../../kernel/kinds.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { keyOf } from '../../kernel/resource.ts';
import { nameLine, printDocument, printRows, type Shown, tableOf, tellNone } from '../output/resources.ts';
import { print } from '../output/standard-output.ts';
import type { OutputFormat } from './output-format.ts';

export interface StreamOptions {
  kernel: Kernel;
  kind: KindDefinition;
  output: OutputFormat;
  shown: Shown;
  /** Each is told with what became of it. */
  events: boolean;
}

type Show = (changes: Change[]) => Promise<void>;

/** The first changes are all that is there. */
export function makeStream(options: StreamOptions): Show {
  const { output, events } = options;
  if (output.format === 'table') return makeRows(options, output);
  return async changes => {
    for (const { event, resource } of changes) {
      const { manifest } = resource;
      if (output.format === 'name') print(`${events ? `${event} ` : ''}${nameLine(resource)}`);
      else {
        if (output.format === 'yaml') print('---');
        await printDocument(events ? { type: event, object: manifest } : manifest, output);
      }
    }
  };
}

/** A row that looks as it did is not printed again; columns grow, and never shrink. */
function makeRows(
  { kernel, kind, shown, events }: StreamOptions,
  output: Extract<OutputFormat, { format: 'table' }>,
): Show {
  const widths: number[] = [];
  const printed = new Map<string, string>();
  let isBegun = false;
  let isFirst = true;
  return async changes => {
    const { header, row } = tableOf(kernel, kind, output, shown);
    const rows = changes.flatMap(({ event, resource }) => {
      const [key, cells] = [keyOf(resource.ref), row(resource)];
      const text = cells.join('\n');
      if (printed.get(key) === text) return [];
      if (event === 'DELETED') printed.delete(key);
      else printed.set(key, text);
      return [[...(events ? [event] : []), ...cells]];
    });
    if (isFirst && rows.length === 0) tellNone(kernel, kind, shown);
    isFirst = false;
    if (rows.length === 0) return;
    const top = isBegun || shown.headless ? [] : [[...(events ? ['EVENT'] : []), ...header]];
    isBegun = true;
    printRows([...top, ...rows], widths);
  };
}
