/** Delegating to the plugin that a configuration names under `ipam` (specification 1.1.0, section 4): built-in, or executed. */
import type { Result } from '../result.ts';
import type { AttachmentCall, GcCall, PluginCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';

const missing = async () => {
  throw new PluginError('Internal', 'not written yet');
};

/** Each throws PluginError; the configuration's `ipam.type` has to be there. */
export const ipam: {
  add(call: AttachmentCall): Promise<Result>;
  del(call: AttachmentCall): Promise<void>;
  check(call: AttachmentCall): Promise<void>;
  gc(call: GcCall): Promise<void>;
  status(call: PluginCall): Promise<void>;
} = { add: missing, del: missing, check: missing, gc: missing, status: missing };
