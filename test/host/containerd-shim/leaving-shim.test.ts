/** A shim that still answers a new one of its group when its own last task is gone: containerd then calls a socket that nobody is at. */
import { expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import '../containerd.ts';
import { leavingNothing } from './leaving-nothing.ts';
import { containersOf, runtimeOn } from './runtime-under-test.ts';

const FOLDER = '/opt/shims';
const LEAVING = `${FOLDER}/leaving`;
const SHIM = 'containerd-shim-runc-v2';

/** Found first by containerd: names, where LEAVING says so and once only, a socket that was there a moment ago. */
mkdirSync(FOLDER, { recursive: true });
writeFileSync(
  `${FOLDER}/${SHIM}`,
  `#!/bin/bash
if [ "\${!#}" = start ] && [ -e ${LEAVING} ]; then
  rm ${LEAVING}
  printf 'unix:///run/containerd/s/gone'
else
  exec ${Bun.which(SHIM)} "$@"
fi
`,
);
chmodSync(`${FOLDER}/${SHIM}`, 0o755);
process.env.PATH = `${FOLDER}:${process.env.PATH}`;

const runtime = runtimeOn();
const { create, observed, start } = containersOf(runtime);
leavingNothing(runtime);

test('is waited for, and the container starts with a shim of its own', async () => {
  await create('a');
  writeFileSync(LEAVING, '');
  await start('a');
  expect(existsSync(LEAVING)).toBe(false);
  expect((await observed('a'))?.state).toBe('running');
});
