/** The embedded default as operations: where systemd is not there to start containerd, kuke starts one, which outlives the command. */
import { defineOperation, shellCommand } from 'kuke/plugin';
import type { PrivatePaths } from './files.ts';

export interface ServeParams {
  paths: PrivatePaths;
  /** Absolute path of containerd. */
  program: string;
  socket: string;
  /** The socket's folder was not there before: it goes with this containerd. */
  makesFolder: boolean;
  /** Its root is there already, with all that the realms have. */
  isRestart: boolean;
}

declare module 'kuke/plugin' {
  interface KukeOperations {
    'containerd-shim.serve': { params: ServeParams; result: { pid: number } };
    'containerd-shim.endServing': { params: { paths: PrivatePaths }; result: void };
  }
}

export const serve = defineOperation({
  type: 'containerd-shim.serve',
  apply: async (params, context) => (await import('./process.ts')).startServing(params, context),
  revert: async ({ paths, isRestart }, _, context) => {
    const { endProcess, endServing } = await import('./process.ts');
    await (isRestart ? endProcess : endServing)(paths, context);
  },
  explain: ({ program, paths }) =>
    `${shellCommand('setsid', program, '--config', paths.config)} >> ${paths.log} 2>&1 &`,
});

export const endServing = defineOperation({
  type: 'containerd-shim.endServing',
  apply: async ({ paths }, context) => (await import('./process.ts')).endServing(paths, context),
  explain: ({ paths }) =>
    `${shellCommand('pkill', '-f', `--config ${paths.config}`)}; ${shellCommand('rm', '-rf', '--one-file-system', paths.folder, paths.state)}`,
});
