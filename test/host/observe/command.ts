/** Runs programs that look at the host; every view in this folder goes through here. */
import '../box.ts';

/** Standard output of a program; rejects with its standard error when it fails. */
export async function output(...command: string[]): Promise<string> {
  const program = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [stdout, stderr, status] = await Promise.all([program.stdout.text(), program.stderr.text(), program.exited]);
  if (status !== 0) throw new Error(`${command.join(' ')}: exit status ${status}: ${stderr.trim()}`);
  return stdout;
}

/** The JSON that a program prints, as the shape that its manual gives; nothing printed is an empty list (`ip -j netns` without any). */
export async function json<Shape>(...command: string[]): Promise<Shape> {
  return JSON.parse((await output(...command)).trim() || '[]') as Shape;
}
