import { command } from './command.ts';
import { openKernel } from './open-kernel.ts';
import { print } from './output/standard-output.ts';

export default command({
  summary: 'print the JSON Schema of manifests, for editors and other programs',
  examples: [
    [
      'schema > kuke.schema.json',
      'of all kinds; name it in a file by `# yaml-language-server: $schema=kuke.schema.json`',
    ],
    ['schema cell', 'of one kind'],
  ],
  args: {
    kind: {
      type: 'positional',
      required: false,
      description: 'realm, space, stack, cell or container; all when absent',
    },
  },
  async run(invocation) {
    const { kind } = invocation.args;
    const { kinds } = await openKernel(invocation, { reads: true });
    const only = kind === undefined ? undefined : kinds.lookup(kind);
    const { manifestSchema } = await import('../kernel/json-schema.ts');
    print(JSON.stringify(manifestSchema(kinds, only), null, 2));
    return 0;
  },
});
