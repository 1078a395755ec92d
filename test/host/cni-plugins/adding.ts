/**
 * A program that adds one attachment after another, as a runtime's processes do side by side: `adding.ts CONFIG CONTAINER...` waits for
 * a line on standard input, and prints the result or the error of each ADD as a line of JSON.
 */
import { PluginError } from '../../../src/cni/plugins/plugin-error.ts';
import { add } from './bridged.ts';

const [, , config = '{}', ...containers] = process.argv;

for await (const _ of console) break;
for (const id of containers) {
  try {
    console.log(JSON.stringify(await add(JSON.parse(config), { id })));
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    console.log(JSON.stringify({ code: error.code, msg: error.message }));
  }
}
