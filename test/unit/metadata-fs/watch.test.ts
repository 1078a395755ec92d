import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { watchManifests } from '../../../plugins/metadata-fs/watch.ts';
import { eventually } from '../../suites/contract.ts';

let root: string;
let told: number;
let controller: AbortController;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'kuke-watch-'));
  mkdirSync(join(root, 'main/.hidden'), { recursive: true });
  mkdirSync(join(root, '.kuke/journal'), { recursive: true });
  told = 0;
  controller = new AbortController();
  await watchManifests(root, () => void told++, controller.signal);
});
afterEach(() => {
  controller.abort();
  rmSync(root, { recursive: true, force: true });
});

/** Until it has been told of what `change` does. */
async function tells(change: () => void): Promise<void> {
  await Bun.sleep(60); // what an earlier change still has to say
  const before = told;
  change();
  await eventually(async () => (told > before ? true : undefined));
}

const write = (path: string) => {
  // As the store writes: a temporary file that takes the other's place.
  writeFileSync(join(root, `${path}/.new`), 'x');
  renameSync(join(root, `${path}/.new`), join(root, `${path}/realm.yaml`));
};

test('each change of a manifest is told, also in folders that came later, and of one that goes', async () => {
  await tells(() => write('main'));
  await tells(() => write('main'));
  await tells(() => mkdirSync(join(root, 'main/a/b'), { recursive: true }));
  await tells(() => write('main/a/b'));
  await tells(() => rmSync(join(root, 'main/a'), { recursive: true }));
  await tells(() => mkdirSync(join(root, 'main/a')));
  await tells(() => write('main/a'));
});

test('what is no manifest of a resource is not: kuke’s own files, hidden and temporary ones', async () => {
  writeFileSync(join(root, '.kuke/journal/a.jsonl'), 'x');
  writeFileSync(join(root, '.kuke/new'), 'x');
  writeFileSync(join(root, 'main/.hidden/x'), 'x');
  writeFileSync(join(root, 'main/.tmp'), 'x');
  await Bun.sleep(100);
  expect(told).toBe(0);
  await tells(() => write('main'));
});

test('nothing is told once it has been called off, and where there is no such folder it is refused', async () => {
  controller.abort();
  write('main');
  await Bun.sleep(100);
  expect(told).toBe(0);
  const refused = watchManifests(join(root, 'nowhere'), () => {}, new AbortController().signal);
  await expect(refused).rejects.toThrow('is not there');
});
