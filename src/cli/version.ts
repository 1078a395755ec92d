import { command } from './command.ts';
import { print } from './output/standard-output.ts';

export default command({
  summary: 'show the version of kuke',
  examples: [
    ['version', 'the version alone'],
    ['version -o json', 'for scripts'],
  ],
  args: {
    output: { type: 'enum', alias: 'o', options: ['text', 'json'], default: 'text', description: 'how it is printed' },
  },
  async run({ args, program }) {
    const version = await program.version();
    print(
      args.output === 'json' ? JSON.stringify({ version, bun: Bun.version, arch: process.arch }) : `kuke ${version}`,
    );
    return 0;
  },
});
