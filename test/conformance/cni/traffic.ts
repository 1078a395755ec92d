/** Real traffic: a server that tells who asked, and who asks. */
import { join } from 'node:path';
import { output } from '../../host/observe/command.ts';
import type { Host } from './host.ts';
import { setSysctl } from './views.ts';

/** Port of every server. */
export const PORT = 7;
/** An address beyond the host; the host's own on that side is 192.0.2.1. */
export const OUTSIDE = '192.0.2.2';
export const UPLINK = '192.0.2.1';
export const OUTSIDE6 = '2001:db8::2';
export const UPLINK6 = '2001:db8::1';

/** A machine beyond the host, which knows a way to the containers by it. Its name is that of its namespace. */
export async function outsideOf(host: Host): Promise<string> {
  const { name } = await host.container();
  // Duplicate addresses are looked for during a second or two, in which IPv6 answers nobody.
  await setSysctl(host.name, 'net.ipv6.conf.default.accept_dad', 0);
  await host.ip('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  await host.ip('link', 'set', 'uplink', 'up');
  await output('ip', '-n', name, 'link', 'set', 'eth0', 'up');
  for (const [own, theirs] of [
    [`${UPLINK}/24`, `${OUTSIDE}/24`],
    [`${UPLINK6}/64`, `${OUTSIDE6}/64`],
  ] as const) {
    const nodad = own.includes(':') ? ['nodad'] : [];
    await host.ip('addr', 'add', own, 'dev', 'uplink', ...nodad);
    await output('ip', '-n', name, 'addr', 'add', theirs, 'dev', 'eth0', ...nodad);
  }
  await output('ip', '-n', name, 'route', 'add', '10.77.0.0/16', 'via', UPLINK);
  await output('ip', '-n', name, 'route', 'add', 'fd77::/64', 'via', UPLINK6);
  return name;
}

/** Answers on TCP and UDP in a namespace, with the address of who asks, until it is disposed of. */
export async function serve(netns: string): Promise<AsyncDisposable> {
  const echo = join(import.meta.dir, '../../host/cni-bridge/echo.ts');
  const program = Bun.spawn(['ip', 'netns', 'exec', netns, process.execPath, echo], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  let said = '';
  for await (const chunk of program.stdout) {
    said += Buffer.from(chunk).toString();
    if (said.includes('ready')) break;
  }
  if (!said.includes('ready')) throw new Error(`no server in ${netns}`);
  return {
    async [Symbol.asyncDispose]() {
      program.kill('SIGKILL');
      await program.exited;
    },
  };
}

/** What the server says: the address from which it was asked. Undefined where nothing answers in that time. */
export async function ask(
  netns: string,
  protocol: 'tcp' | 'udp',
  address: string,
  port = PORT,
  seconds = 10,
): Promise<string | undefined> {
  const script = `exec 3<> /dev/${protocol}/${address}/${port} && echo hello >&3 && exec dd bs=128 count=1 status=none <&3`;
  const program = Bun.spawn(['ip', 'netns', 'exec', netns, 'timeout', `${seconds}`, 'bash', '-c', script], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
  });
  const answer = (await program.stdout.text()).trim().replace(/^::ffff:/, '');
  return answer || undefined;
}

/** Of what should be shut nothing comes, however long one waits. */
export const SHUT = 0.5;
