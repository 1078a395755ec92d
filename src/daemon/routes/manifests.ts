/** The manifests in the body of a request: YAML or JSON, one or several. All are read and validated before anything is done. */
import { parseDocuments } from '../../kernel/documents.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Resource } from '../../kernel/kinds.ts';
import { readManifest, refuseMany } from '../../kernel/manifest.ts';
import { othersTurn } from '../../kernel/others-turn.ts';
import type { Kernel } from '../../kernel/registry.ts';

/** What the YAML parser takes in one go, in characters: it needs half a second for a million. JSON has no such limit. */
const MOST_YAML = 256 * 1024;
/** A document's beginning; the mark may stand nowhere else (YAML 1.2.2, 9.1.2). */
const MARK = /^---(?=\s|$)/m;

/** Throws InvalidManifest and Unsupported, with the number of the document where there are several; TooLarge. */
export async function readResources(kernel: Kernel, text: string): Promise<Resource[]> {
  const raw = await documentsIn(text);
  if (raw.length === 0) throw new KukeError('InvalidManifest', 'there is no manifest in the body', { remedy: REMEDY });
  refuseMany(raw.length);
  const resources: Resource[] = [];
  const faults: KukeError[] = [];
  for (const [index, value] of raw.entries()) {
    await othersTurn();
    try {
      resources.push(await readManifest(kernel, value));
    } catch (thrown) {
      if (!(thrown instanceof KukeError)) throw thrown;
      const document = raw.length > 1 ? { step: `document ${index + 1}` } : {};
      faults.push(
        ...[thrown, ...thrown.also].map(
          one => new KukeError(one.code, one.message, { ...one.details, ...document, remedy: REMEDY }),
        ),
      );
    }
  }
  const [first, ...others] = faults;
  if (first !== undefined) throw first.with(others);
  return resources;
}

const REMEDY = 'mend the manifest, then send it again';

async function documentsIn(text: string): Promise<unknown[]> {
  const asJson = text.trimStart().startsWith('{') || text.trimStart().startsWith('[') ? parseJson(text) : undefined;
  if (asJson !== undefined) return itemsOf(asJson.value);
  const documents: unknown[] = [];
  for (const [index, part] of partsOf(text).entries()) {
    if (part.length > MOST_YAML) {
      const remedy = 'send it as JSON, or in smaller documents';
      throw new KukeError('TooLarge', `document ${index + 1} has more than ${MOST_YAML} characters of YAML`, {
        remedy,
      });
    }
    documents.push(...parseDocuments(part, `document ${index + 1}`).map(({ value }) => value));
    await othersTurn();
  }
  return documents;
}

/** Undefined: it is none, but may be YAML. */
function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** As in YAML: a list of kind List stands for its items; JSON's own list likewise. */
function itemsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  const isList = typeof value === 'object' && value !== null && Reflect.get(value, 'kind') === 'List';
  const items: unknown = isList ? Reflect.get(value, 'items') : undefined;
  return Array.isArray(items) ? items : [value];
}

/** Directives belong to the document after them, so a text that has such is taken whole. */
function partsOf(text: string): string[] {
  if (/^%/m.test(text)) return [text];
  const parts: string[] = [];
  let rest = text;
  for (;;) {
    const mark = MARK.exec(rest.slice(1));
    if (mark === null) return [...parts, rest];
    parts.push(rest.slice(0, mark.index + 1));
    rest = rest.slice(mark.index + 1);
  }
}
