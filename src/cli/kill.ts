import { changeState, stateArgs } from './change-state.ts';
import { command } from './command.ts';

export default command({
  summary: 'stop a cell at once: SIGKILL to all of its containers',
  examples: [
    ['kill cell web', 'when stop takes too long'],
    ['kill cell web db', 'several'],
  ],
  args: stateArgs,
  repeatable: ['name'],
  run: invocation => changeState(invocation, 'kill'),
});
