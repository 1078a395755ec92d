/** A line to the daemon of another host, through the user's own ssh: `kuke daemon stdio` there. */
import type { Line } from './client.ts';

const FORM = /^ssh:\/\/(?:([^\s@/:-][^\s@/:]*)@)?([^\s@/:-][^\s@/:]*|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?\/?$/;

/** The command that connects; undefined for what is no `ssh://[USER@]HOST[:PORT]`. */
export function sshCommand(url: string): string[] | undefined {
  const [, user, host, port] = FORM.exec(url) ?? [];
  if (host === undefined) return undefined;
  const name = host.replace(/^\[(.*)\]$/, '$1');
  const to = user === undefined ? name : `${user}@${name}`;
  // Not of its terminal: Ctrl-C is for the command there, and not for ssh.
  return ['ssh', ...(port === undefined ? [] : ['-p', port]), '-T', '--', to, 'kuke', 'daemon', 'stdio'];
}

/** What ssh and the other host have to say goes to standard error. */
export function commandLine(command: string[]): Line {
  const program = Bun.spawn(command, { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit', detached: true });
  // One that has ended is told of by the end of its output.
  const unlessGone = (...steps: (() => unknown)[]): void => {
    try {
      for (const step of steps) Promise.resolve(step()).catch(() => {});
    } catch {}
  };
  const close = (): void => unlessGone(() => program.stdin.end());
  return {
    isOfThisHost: false,
    write: bytes =>
      unlessGone(
        () => void program.stdin.write(bytes),
        () => program.stdin.flush(),
      ),
    close,
    open({ received, closed }) {
      const read = async (): Promise<void> => {
        for await (const chunk of program.stdout) received(chunk);
      };
      // What it has to say of why it ended comes before what we say of it.
      read()
        .catch(() => {})
        .then(() => {
          close();
          return program.exited;
        })
        .finally(closed);
    },
  };
}
