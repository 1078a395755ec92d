/** A plugin program: `portmap-process.ts VERB` with a call as JSON on stdin; prints the error, or nothing. */
import type { AttachmentCall } from '../../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../../src/cni/plugins/plugin-error.ts';
import { portmap } from '../../../src/cni/plugins/portmap/portmap.ts';
import { silent } from '../../../src/cni/plugins/trace.ts';

const call = { ...((await Bun.stdin.json()) as AttachmentCall), trace: silent, signal: undefined };
try {
  await (process.argv[2] === 'add' ? portmap.add(call) : portmap.del(call));
} catch (error) {
  if (!(error instanceof PluginError)) throw error;
  console.log(error.msg);
}
