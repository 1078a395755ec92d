/** To the input and the terminal of a container's first process; what it writes is in its log, whoever is attached. */
import { closeSync } from 'node:fs';
import { type ContainerParams, KukeError, type ProcessInput } from 'kuke/plugin';
import type { Containerd } from '../containerd.ts';
import { STDIN } from '../labels.ts';
import { openInput } from './input.ts';
import { lookUp } from './look-up.ts';
import { ifThere } from './task.ts';

export async function attachTo(containerd: Containerd, params: ContainerParams): Promise<ProcessInput> {
  const { client, container, isOwn, task } = await lookUp(containerd, params);
  if (container === undefined || !isOwn) {
    throw new KukeError('NotFound', `there is no container ${params.id} of ours in ${params.namespace}`);
  }
  if (task?.status !== 'RUNNING' && task?.status !== 'PAUSED') {
    const state = task === undefined ? 'is not running' : `is ${task.status.toLowerCase()}`;
    throw new KukeError('Conflict', `container ${params.id} ${state}`);
  }
  const containerId = params.id;
  const kept = container.labels[STDIN];
  let stdin = kept === undefined || task.stdin === '' ? undefined : openInput(task.stdin);
  return {
    hasTerminal: task.terminal,
    get stdin() {
      return stdin;
    },
    async fed() {
      // With a terminal the shim would take that away.
      if (kept !== 'once' || task.terminal) return;
      letGo();
      await ifThere(client.tasks.closeIo({ containerId, stdin: true }));
    },
    async resize({ columns: width, rows: height }) {
      await ifThere(client.tasks.resizePty({ containerId, width, height }));
    },
    [Symbol.dispose]: letGo,
  };

  function letGo(): void {
    if (stdin !== undefined) closeSync(stdin);
    stdin = undefined;
  }
}
