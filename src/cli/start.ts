import { changeState, stateArgs } from './change-state.ts';
import { command } from './command.ts';
import { strictArg } from './strict.ts';

export default command({
  summary: 'start a cell: its root container first, then the others',
  examples: [
    ['start cell web', 'in realm main, space and stack default'],
    ['start cell web --stack blog', 'in another stack'],
    ['start cell web db', 'several, one after those that it depends on'],
  ],
  args: { ...stateArgs, ...strictArg },
  repeatable: ['name'],
  run: invocation => changeState(invocation, 'start'),
});
