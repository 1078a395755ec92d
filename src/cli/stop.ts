import { changeState, stateArgs, timeoutArg } from './change-state.ts';
import { command } from './command.ts';

export default command({
  summary: 'stop a cell: STOPSIGNAL to all but the root, then to the root; SIGKILL to what does not end in time',
  examples: [
    ['stop cell web', 'with 10 s from the signal to SIGKILL'],
    ['stop cell web --timeout 1m', 'for a database that takes its time'],
    ['stop cell web db', 'several, one after those that depend on it'],
  ],
  args: { ...stateArgs, ...timeoutArg },
  repeatable: ['name'],
  run: invocation => changeState(invocation, 'stop'),
});
