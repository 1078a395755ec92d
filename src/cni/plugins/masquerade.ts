/** `ipMasq` (of bridge, and of others): what leaves the host with an attachment's address is masqueraded. */
import type { AttachmentCall, GcCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';

const missing = () => {
  throw new PluginError('Internal', 'not written yet');
};

export interface Masqueraded {
  /** `10.88.0.5/16`, of one attachment. */
  addresses: readonly string[];
  /** The bridge by which they reach their own network. */
  bridge: string;
}

/** Each is synchronous: one nftables transaction. `remove` finds its elements by label and works without anything else known. */
export const masquerade: {
  add(call: AttachmentCall, what: Masqueraded): void;
  remove(call: AttachmentCall): void;
  /** Throws PluginError if something of it is missing. */
  check(call: AttachmentCall, what: Masqueraded): void;
  collect(call: GcCall): void;
} = { add: missing, remove: missing, check: missing, collect: missing };
