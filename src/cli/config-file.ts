/** /etc/kukeon/kuke.yaml: what flags are where neither they nor variables are given, and the configuration of plugins. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as v from 'valibot';
import { asKukeError, KukeError } from '../kernel/errors.ts';
import { logLimits } from '../kernel/log-limits.ts';
import { faultsOf } from '../kernel/schema.ts';
import { type FindChangeable, refuseWritable } from '../kernel/trusted-path.ts';
import { settingKey, settings } from './global-flags.ts';

/** Relative ones would make what kuke does depend on the folder it is run in. */
const absolutePath = v.pipe(v.string(), v.startsWith('/', 'must be an absolute path'));

/** What such words and numbers may be is checked where the flags are. */
const ofFlags = Object.fromEntries(
  Object.entries(settings).map(([flag, { type, valueHint }]) => {
    const isPath = valueHint === 'DIR' || valueHint === 'PATH';
    const value = type === 'boolean' ? v.boolean() : isPath ? absolutePath : v.string();
    return [settingKey(flag), v.exactOptional(value)];
  }),
);

const own = {
  /** Folder of third parties' plugins; `<run path>/.kuke/plugins` when absent. */
  pluginsPath: v.exactOptional(absolutePath),
  /** Milliseconds that a plugin's hook or setup may take. */
  pluginTimeLimit: v.exactOptional(v.pipe(v.number(), v.minValue(1))),
  /** Who has changed what; /var/log/kukeon/audit.jsonl when absent. */
  auditLog: v.exactOptional(absolutePath),
  /** Of kukeond, which reads it anew on SIGHUP. */
  daemon: v.exactOptional(
    v.strictObject({
      /** The least that it says: debug, info, warn or error. */
      logLevel: v.exactOptional(v.picklist(['debug', 'info', 'warn', 'error'])),
      /** TCP port on 127.0.0.1 where Prometheus may read /metrics; on the socket it always may. */
      metricsPort: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
    }),
  ),
  /** How much is kept of what containers write, where they do not say. */
  logs: v.exactOptional(logLimits),
  /** By plugin: what its own schema takes. */
  plugins: v.exactOptional(v.record(v.string(), v.unknown())),
};

const schema = v.strictObject({ ...ofFlags, ...own });

/** Keys of flags are in it as well, by the names that they have there. */
const known = v.looseObject(own);
export type ConfigFile = v.InferOutput<typeof known>;

/** Throws HostNotReady for a file that others can change, for by it root loads programs; Usage, with line and column, for what is wrong in it. */
export async function readConfigFile(path: string, find: FindChangeable): Promise<ConfigFile> {
  const text = readTrusted(path, find);
  let value: unknown;
  try {
    value = Bun.YAML.parse(text) ?? {};
  } catch (thrown) {
    await locate(path, text, ''); // says where
    throw faulty(path, thrown instanceof Error ? thrown.message : String(thrown));
  }
  const [fault] = faultsOf(schema, value, []);
  if (fault === undefined) return v.parse(known, value);
  const where = await locate(path, text, fault.path);
  throw faulty(where, fault.path === '' ? fault.message : `${fault.path}: ${fault.message}`);
}

function readTrusted(path: string, find: FindChangeable): string {
  try {
    refuseWritable(resolve(path), find);
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    const { code, message, remedy } = asKukeError(thrown, 'Usage');
    if (code !== 'PluginFailed') throw faulty(path, message);
    throw new KukeError('HostNotReady', message, remedy === undefined ? {} : { remedy });
  }
}

/** `kuke.yaml:3:1`. The parser that knows is loaded only to say so. */
async function locate(path: string, text: string, field: string): Promise<string> {
  const { parseDocuments } = await import('../kernel/documents.ts');
  const [document] = parseDocuments(text, path);
  return document?.locate(field) ?? path;
}

const faulty = (where: string, message: string): KukeError =>
  new KukeError('Usage', `${where}: ${message}`, { remedy: 'mend the file' });
