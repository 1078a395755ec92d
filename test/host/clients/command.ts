/** Runs programs that may fail. */
import '../box.ts';

export interface Ended {
  status: number;
  stdout: string;
  stderr: string;
}

export async function ended(command: string[], env: Record<string, string | undefined> = process.env): Promise<Ended> {
  const program = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', env });
  const [stdout, stderr, status] = await Promise.all([program.stdout.text(), program.stderr.text(), program.exited]);
  return { status, stdout, stderr };
}
