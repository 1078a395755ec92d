import { expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary-directory.ts';

const folder = temporaryDirectory();

test('what a shell hands over by a descriptor, and the command line names, is there after a program has started itself anew', () => {
  const program = join(folder, 'program.ts');
  writeFileSync(
    program,
    `import { execAnew } from '${import.meta.dir}/../../../src/host/exec-anew.ts';
    const [, script = '', word = ''] = process.argv;
    if (process.env.ANEW === undefined) execAnew({ ANEW: '1' }, [process.execPath, script, word]);
    console.log(process.env.ANEW, await Bun.file(word.replace('--filename=', '')).text());`,
  );
  for (const word of ['<(printf generated)', '--filename=<(printf generated)']) {
    const { stdout, stderr } = Bun.spawnSync(['bash', '-c', `exec "$0" "$1" ${word}`, process.execPath, program]);
    expect([stdout.toString(), stderr.toString()]).toEqual(['1 generated\n', '']);
  }
});
