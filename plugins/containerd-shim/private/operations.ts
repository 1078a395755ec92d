/** The embedded default as operations: where systemd is not there to start containerd, kuke starts one, which outlives the command. */
import { defineOperation, shellCommand } from 'kuke/plugin';
import type { PrivatePaths, Remains, Serving } from './files.ts';

export interface ServeParams {
  paths: PrivatePaths;
  /** Absolute path of containerd. */
  program: string;
  serving: Serving;
  /** Its root was there before the plan was made, with all that the realms have. */
  isRestart: boolean;
}

export interface EndParams {
  paths: PrivatePaths;
  remains: Remains;
}

declare module 'kuke/plugin' {
  interface KukeOperations {
    'containerd-shim.serve': { params: ServeParams; result: { pid: number } };
    'containerd-shim.endServing': { params: EndParams; result: void };
  }
}

export const serve = defineOperation({
  type: 'containerd-shim.serve',
  apply: async (params, context) => (await import('./process.ts')).startServing(params, context),
  // Each serving is known by its attempt, and one that was there before is only ended: `revert` need not be told what it may not take.
  revert: async (params, _, context) => (await import('./removal.ts')).undoServing(params, context),
  explain: ({ program, paths }) =>
    `${shellCommand('setsid', program, '--config', paths.config)} >> ${paths.log} 2>&1 &`,
});

export const endServing = defineOperation({
  type: 'containerd-shim.endServing',
  irreversible: true,
  apply: async (params, context) => (await import('./removal.ts')).endServing(params, context),
  explain: ({ paths, remains: { own, sockets, shared } }) =>
    [
      ['pkill', 'pidwait'].map(program => shellCommand(program, '-f', '--', `--config ${paths.config}$`)).join(' && '),
      ...own.map(unmountBelow),
      ...sockets.map(
        path => `${shellCommand('ss', '-xlH', 'src', path)} | grep -q . || ${shellCommand('rm', '-f', path)}`,
      ),
      shellCommand('rm', '-rf', '--one-file-system', ...own),
      shellCommand('rmdir', '--ignore-fail-on-non-empty', ...shared),
    ].join('\n'),
});

function unmountBelow(folder: string): string {
  const list = 'findmnt --list --noheadings --output TARGET';
  return `${list} | ${shellCommand('grep', `^${folder}/`)} | tac | xargs --no-run-if-empty --delimiter='\\n' -n 1 umount`;
}
