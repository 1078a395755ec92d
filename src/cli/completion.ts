import { KukeError } from '../kernel/errors.ts';
import { didYouMean } from '../kernel/names.ts';
import { command } from './command.ts';
import { SHELLS } from './completion/scripts.ts';
import { write } from './output/standard-output.ts';

export default command({
  summary: 'print what makes a shell complete commands, flags, their values and names of resources',
  examples: [
    ['completion bash', 'in this shell, from now on: source <(kuke completion bash)'],
    ['completion zsh', 'for all: kuke completion zsh > /usr/local/share/zsh/site-functions/_kuke'],
    ['completion fish', 'for all: kuke completion fish > /etc/fish/completions/kuke.fish'],
  ],
  args: { shell: { type: 'positional', required: true, description: 'bash, zsh or fish' } },
  async run({ args: { shell } }) {
    const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
    const known = Object.keys(SHELLS);
    if (script === undefined) {
      const message = `there is no completion for \`${shell}\`${didYouMean(shell, known)}`;
      throw new KukeError('Usage', message, { remedy: `there is one for ${known.join(', ')}` });
    }
    write(script);
    return 0;
  },
});
