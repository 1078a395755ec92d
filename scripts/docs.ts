/** `bun run docs`: writes the pages below docs/reference anew, from the schemas and the commands. */
import { join } from 'node:path';
import { referencePages } from './reference/pages.ts';

const top = join(import.meta.dir, '..');
for (const [file, text] of await referencePages()) {
  await Bun.write(join(top, file), text);
  console.log(file);
}
