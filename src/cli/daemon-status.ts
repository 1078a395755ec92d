import { command } from './command.ts';
import { answerText, lookAtDaemon } from './daemon/look.ts';
import { bytes } from './output/bytes.ts';
import { print } from './output/standard-output.ts';
import { colour } from './output/terminal.ts';
import { textOutputArg } from './output-arg.ts';

export default command({
  summary: 'see whether kukeond runs (exit code 0: it does, and answers; 3: it does not run; 1: it does not answer)',
  examples: [
    ['daemon status', 'since when, which version, by whom'],
    ['daemon status -o json', 'for scripts'],
  ],
  args: {
    ...textOutputArg,
  },
  async run(invocation) {
    const look = await lookAtDaemon(invocation);
    if (invocation.args.output === 'json') print(JSON.stringify(look, null, 2));
    else {
      const running = look.pid === undefined ? colour('yellow', 'not running') : colour('green', 'running');
      const since = look.pid === undefined ? '' : ` (pid ${look.pid}, since ${look.startedAt})`;
      print(`kukeond   ${running}${since}`);
      if (look.unit !== undefined) print(`unit      ${look.unit} of systemd`);
      if (look.pid !== undefined) {
        print(`socket    ${look.socket} ${answerText(look)}`);
        if (look.version !== undefined) print(`version   ${look.version}`);
        if (look.residentBytes !== undefined) print(`memory    ${bytes(look.residentBytes)}`);
      }
    }
    return look.pid === undefined ? 3 : look.answers ? 0 : 1;
  },
});
