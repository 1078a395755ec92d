/** Network configurations (specification 1.1.0, section 1): what a runtime needs to understand of them; the rest is passed on untouched. */
import * as v from 'valibot';
import { NAME, PLUGIN_TYPE } from './attachment.ts';
import { conform, FormatError, type JsonObject, object } from './json.ts';
import { type CniVersion, selectVersion, VERSIONS } from './version.ts';

/** The configuration of one plugin in a network. `json` is all of it, unknown keys included. */
export interface PluginConfig {
  type: string;
  /** Type of the IPAM plugin that it delegates to, where it names one. */
  ipam: string | undefined;
  /** The capabilities that it declares. */
  capabilities: readonly string[];
  json: JsonObject;
}

/** A network: a chain of plugins. `json` is the whole document, unknown keys (markers, say) included. */
export interface NetworkConfig {
  name: string;
  /** The highest version that both the configuration and this runtime speak. */
  cniVersion: CniVersion;
  disableCheck: boolean;
  disableGC: boolean;
  plugins: readonly PluginConfig[];
  json: JsonObject;
}

// libcni takes the words too, in any case.
const flag = v.optional(
  v.union(
    [
      v.boolean(),
      v.pipe(
        v.string(),
        v.toLowerCase(),
        v.picklist(['true', 'false']),
        v.transform(word => word === 'true'),
      ),
    ],
    'must be true or false',
  ),
  false,
);

const NetworkSchema = v.object({
  name: v.pipe(
    v.string(),
    v.regex(NAME, 'may hold letters, digits, "_", "." and "-" only, and starts with a letter or digit'),
  ),
  cniVersion: v.optional(v.string()),
  cniVersions: v.optional(v.array(v.string()), []),
  disableCheck: flag,
  disableGC: flag,
  loadOnlyInlinedPlugins: flag,
  plugins: v.optional(v.array(object), []),
});

const PluginSchema = v.object({
  type: v.pipe(v.string(), v.regex(PLUGIN_TYPE, 'must be the plain name of a plugin: no path')),
  capabilities: v.optional(v.nullable(v.record(v.string(), v.boolean()))),
  ipam: v.optional(v.nullable(v.object({ type: v.optional(v.string()) }))),
});

/**
 * Understands a network configuration. A single plugin's configuration, the form that specification 1.0.0 dropped, becomes a network
 * of one plugin. `more` are plugins from the network's own folder (see pluginFolderName). Throws FormatError.
 */
export function parseNetworkConfig(document: unknown, more: readonly JsonObject[] = []): NetworkConfig {
  const given = conform(object, document);
  const json = isSinglePlugin(given) ? { cniVersion: given.cniVersion, name: given.name, plugins: [given] } : given;
  const { cniVersion, cniVersions, plugins, name, disableCheck, disableGC } = conform(NetworkSchema, json);
  const chain = [...plugins, ...more];
  if (chain.length === 0) throw new FormatError('plugins: there is none');
  return {
    name,
    cniVersion: chooseVersion(cniVersion === undefined ? cniVersions : [cniVersion, ...cniVersions]),
    disableCheck,
    disableGC,
    plugins: chain.map((plugin, index) => parsePluginConfig(plugin, `plugins.${index}`)),
    json: more.length === 0 ? json : { ...json, loadOnlyInlinedPlugins: true, plugins: chain },
  };
}

/** The folder, beside a conflist, whose files may add plugins to it (`loadOnlyInlinedPlugins` is not true). Throws FormatError. */
export function pluginFolderName(document: unknown): string | undefined {
  const json = conform(object, document);
  if (isSinglePlugin(json)) return undefined;
  const { name, loadOnlyInlinedPlugins } = conform(NetworkSchema, json);
  return loadOnlyInlinedPlugins ? undefined : name;
}

function parsePluginConfig(document: unknown, at: string): PluginConfig {
  const json = conform(object, document, at);
  const { type, capabilities, ipam } = conform(PluginSchema, json, at);
  const declared = Object.entries(capabilities ?? {}).flatMap(([name, wanted]) => (wanted ? [name] : []));
  return { type, ipam: ipam?.type || undefined, capabilities: declared, json };
}

function isSinglePlugin(json: JsonObject): boolean {
  return json.plugins === undefined && json.type !== undefined;
}

function chooseVersion(offered: readonly string[]): CniVersion {
  const chosen = selectVersion(offered);
  if (chosen !== undefined) return chosen;
  const why = offered.length === 0 ? 'is missing' : `${offered.join(', ')} is not supported`;
  throw new FormatError(`cniVersion: ${why}; one of ${VERSIONS.join(', ')} is needed`);
}
