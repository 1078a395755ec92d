/** /etc/kukeon/kuke.yaml: what flags are where neither they nor variables are given, and the configuration of plugins. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as v from 'valibot';
import { asKukeError, KukeError } from '../kernel/errors.ts';
import { faultsOf } from '../kernel/schema.ts';
import { type FindChangeable, refuseWritable } from '../kernel/trusted-path.ts';

/** Relative ones would make what kuke does depend on the folder it is run in. */
const absolutePath = v.pipe(v.string(), v.startsWith('/', 'must be an absolute path'));

/** Keys of flags are checked where the flags are: `global-flags.ts`. */
const schema = v.strictObject({
  runPath: v.exactOptional(absolutePath),
  containerdSocket: v.exactOptional(absolutePath),
  lockTimeout: v.exactOptional(v.string()),
  color: v.exactOptional(v.string()),
  quiet: v.exactOptional(v.boolean()),
  verbose: v.exactOptional(v.boolean()),
  output: v.exactOptional(v.string()),
  realm: v.exactOptional(v.string()),
  space: v.exactOptional(v.string()),
  stack: v.exactOptional(v.string()),
  /** Folder of third parties' plugins; `<run path>/.kuke/plugins` when absent. */
  pluginsPath: v.exactOptional(absolutePath),
  /** Milliseconds that a plugin's hook or setup may take. */
  pluginTimeLimit: v.exactOptional(v.pipe(v.number(), v.minValue(1))),
  /** Of kukeond, which reads it anew on SIGHUP. */
  daemon: v.exactOptional(
    v.strictObject({
      /** The least that it says: debug, info, warn or error. */
      logLevel: v.exactOptional(v.picklist(['debug', 'info', 'warn', 'error'])),
      /** TCP port on 127.0.0.1 where Prometheus may read /metrics; on the socket it always may. */
      metricsPort: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
    }),
  ),
  /** By plugin: what its own schema takes. */
  plugins: v.exactOptional(v.record(v.string(), v.unknown())),
});

export type ConfigFile = v.InferOutput<typeof schema>;

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
  if (fault === undefined) return v.parse(schema, value);
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
