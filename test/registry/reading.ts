/** `reading.ts HOST SIZE PAUSE`: reads a blob and tells how many bytes came, and the most memory that it took, in kB. */
import { readFileSync } from 'node:fs';
import { openRepository } from '../../src/registry/index.ts';

const [host = '', size = '', pause = ''] = process.argv.slice(2);
const repository = openRepository(`${host}/web`, {
  credentials: async () => undefined,
  signal: new AbortController().signal,
});
const digest = `sha256:${'0'.repeat(64)}`;
let read = 0;
let mark = 0;
for await (const chunk of repository.blob({ mediaType: '', digest, size: Number(size) }, { verify: false })) {
  read += chunk.length;
  if (pause === '0' || read - mark < 2_000_000) continue;
  mark = read;
  await Bun.sleep(Number(pause));
}
const [, peak] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
console.log(JSON.stringify({ read, peak: Number(peak) }));
