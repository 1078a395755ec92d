/** The image that clients run, which is a pod's pause container and a web server, and who gets which answer from it. */
import { busybox, dockerArchive } from '../image.ts';
import { ended } from './command.ts';

export const IMAGE = 'docker.io/library/web:1';

// The first process of a container gets no signal that it does not ask for.
const script = (command: string) => ({ mode: 0o755, content: `#!/bin/sh\ntrap 'exit 0' TERM\n${command} & wait\n` });

/** What the web server executes for an answer, in a container with busybox. */
export const WHO = '#!/bin/sh\nprintf "\\n%s %s" "$(hostname)" "$REMOTE_ADDR"\n';

/** `/pause` does nothing; `/serve` answers on port 80 with the host name of the container and the address that asked. */
export async function writeImage(path: string): Promise<void> {
  const files = {
    pause: script('sleep 100000'),
    serve: script('httpd -f -h /www -p 80'),
    'www/cgi-bin/who': { mode: 0o755, content: WHO },
  };
  await Bun.write(path, dockerArchive({ name: IMAGE, layers: [busybox(), files], config: { Cmd: ['/pause'] } }));
}

/** The command that asks, in a container as well; no answer within some seconds is status 143 or 1. */
export function asking(address: string, port: number, seconds = 5): string[] {
  const host = address.includes(':') ? `[${address}]` : address;
  return ['timeout', `${seconds}`, 'busybox', 'wget', '-qO-', `http://${host}:${port}/cgi-bin/who`];
}

/** Who answers, and whom they saw, `a 192.0.2.2`; '' if nobody. From a namespace, or undefined: from the host itself. */
export async function ask(from: string | undefined, address: string, port: number, seconds?: number): Promise<string> {
  const inside = from === undefined ? [] : ['ip', 'netns', 'exec', from];
  return readAnswer((await ended([...inside, ...asking(address, port, seconds)])).stdout);
}

/** Resolves when the server of a pod, whose namespace has this name, answers inside. */
export async function untilServing(netns: string): Promise<void> {
  while ((await ask(netns, '127.0.0.1', 80)) === '') await Bun.sleep(20);
}

export function readAnswer(stdout: string): string {
  return stdout.trim().replace(/::ffff:|[[\]]/g, '');
}
