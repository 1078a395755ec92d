/** The embedded default as operations: where systemd is not there to start containerd, kuke starts one, which outlives the command. */
import { dirname } from 'node:path';
import { defineOperation, shellCommand, shellQuote } from 'kuke/plugin';
import { configuration, type PrivatePaths, type Remains, type Serving } from './files.ts';

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
  explain: ({ program, paths, serving }) => {
    const { config, log, socket } = { ...paths, ...serving };
    const answers = `until ${shellCommand('ctr', '--address', socket, 'version')} > /dev/null 2>&1; do sleep 0.1; done`;
    return [
      shellCommand('mkdir', '-p', '-m', '711', paths.folder, paths.root, paths.state, dirname(socket)),
      `cat > ${shellQuote(config)} <<'END'\n${configuration(paths, socket).trimEnd()}\nEND`,
      `${shellCommand('printf', '%s', JSON.stringify(serving))} > ${shellQuote(paths.serving)}`,
      `${shellCommand('setsid', program, '--config', config)} >> ${shellQuote(log)} 2>&1 < /dev/null &`,
      shellCommand('timeout', '30', 'sh', '-c', answers),
    ].join('\n');
  },
});

export const endServing = defineOperation({
  type: 'containerd-shim.endServing',
  irreversible: true,
  apply: async (params, context) => (await import('./removal.ts')).endServing(params, context),
  explain: ({ paths, remains: { own, sockets, shared } }) =>
    [
      `! ${ofIt('pkill', paths)} || ${ofIt('pidwait', paths)} || true`,
      ...own.map(unmountBelow),
      ...sockets.map(
        path => `${shellCommand('ss', '-xlH', 'src', path)} | grep -q . || ${shellCommand('rm', '-f', path)}`,
      ),
      shellCommand('rm', '-rf', '--one-file-system', ...own),
      ...shared.map(
        folder => `! [ -d ${shellQuote(folder)} ] || ${shellCommand('rmdir', '--ignore-fail-on-non-empty', folder)}`,
      ),
    ].join('\n'),
});

const ofIt = (program: string, { config }: PrivatePaths) => shellCommand(program, '-f', '--', `--config ${config}$`);

function unmountBelow(folder: string): string {
  const list = 'findmnt --list --noheadings --output TARGET';
  return `${list} | ${shellCommand('grep', `^${folder}/`)} | tac | xargs --no-run-if-empty --delimiter='\\n' -n 1 umount`;
}
