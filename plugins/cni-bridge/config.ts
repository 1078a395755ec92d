/** `plugins.cni-bridge` of /etc/kukeon/kuke.yaml. */
import * as v from 'valibot';

const folder = v.pipe(v.string(), v.regex(/^\/[^:\0]*$/, 'must be an absolute path without ":"'));

export const cniBridgeConfig = v.strictObject({
  /** Folders of CNI plugins, in order; absent: those of CNI_PATH, else /opt/cni/bin and /usr/lib/cni. */
  cniPath: v.exactOptional(v.pipe(v.array(folder), v.minLength(1))),
  /**
   * Who serves the plugins that kuke has built in: kuke itself, or programs of that name on the CNI path. It is asked at the ADD; a DEL is
   * for whoever did that.
   */
  cniPlugins: v.optional(v.picklist(['built-in', 'exec']), 'built-in'),
  /** How long one call of a CNI plugin may take, in seconds. */
  pluginTimeoutSeconds: v.optional(v.pipe(v.number(), v.minValue(1)), 60),
});

export type CniBridgeConfig = v.InferOutput<typeof cniBridgeConfig>;
