/** /etc/kukeon/kuke.yaml: global flags, and the configuration of plugins. */
import { existsSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { KukeError } from '../kernel/errors.ts';
import { faultsOf } from '../kernel/schema.ts';

/** Relative ones would make what kuke does depend on the folder it is run in. */
const absolutePath = v.pipe(v.string(), v.startsWith('/', 'must be an absolute path'));

const schema = v.strictObject({
  runPath: v.exactOptional(absolutePath),
  containerdSocket: v.exactOptional(absolutePath),
  lockTimeout: v.exactOptional(v.string()),
  /** Folder of third parties' plugins; `<run path>/.kuke/plugins` when absent. */
  pluginsPath: v.exactOptional(absolutePath),
  /** Milliseconds that a plugin's hook or setup may take. */
  pluginTimeLimit: v.exactOptional(v.pipe(v.number(), v.minValue(1))),
  /** By plugin: what its own schema takes. */
  plugins: v.exactOptional(v.record(v.string(), v.unknown())),
});

export type ConfigFile = v.InferOutput<typeof schema>;

export function readConfigFile(path: string, required: boolean): ConfigFile {
  if (!existsSync(path)) {
    if (required) throw new KukeError('Usage', `${path}: no such file`);
    return {};
  }
  let value: unknown;
  try {
    value = Bun.YAML.parse(readFileSync(path, 'utf8')) ?? {};
  } catch (thrown) {
    throw new KukeError('Usage', `${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
      remedy: 'mend the file',
    });
  }
  const [fault] = faultsOf(schema, value, []);
  if (fault !== undefined)
    throw new KukeError('Usage', `${path}: ${fault.path}: ${fault.message}`, { remedy: 'mend the file' });
  return v.parse(schema, value);
}
