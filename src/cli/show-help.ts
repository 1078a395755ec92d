import { KukeError } from '../kernel/errors.ts';
import { findCommand } from './arguments.ts';
import { command } from './command.ts';
import { commands } from './commands.ts';
import { printHelp } from './help.ts';

export default command({
  summary: 'show how a command is used',
  examples: [
    ['help', 'all commands'],
    ['help apply', 'its flags, with examples; the same as `kuke apply --help`'],
    ['help image load', 'a command below another word'],
  ],
  args: {
    command: { type: 'positional', required: false, description: 'a command, or a word that has commands below it' },
    below: { type: 'positional', required: false, description: 'the command below it' },
  },
  async run({ args }) {
    const asked = [args.command, args.below].filter(word => word !== undefined);
    const { words, entry, rest } = findCommand(asked, commands);
    if (rest.length > 0) throw new KukeError('Usage', `there is no command \`${asked.join(' ')}\``);
    await printHelp(words, entry ?? { summary: '', below: commands });
    return 0;
  },
});
