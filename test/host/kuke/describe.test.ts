// containerd: once, since what it says of containers is the runtime's suite to hold on each
/** describe and tree: what a person asks first, on a real host; and what was done is remembered until uninstall. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, statSync } from 'node:fs';
import { cell, container, shell } from './cells.ts';
import { apply, kuke, run, tryApply } from './kuke.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

const AUDIT = '/var/log/kukeon/audit.jsonl';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
  const limits = { resources: { memory: { limit: '64Mi' } } };
  await apply(
    cell('web', [container('main', { ports: ['8080:80'] }), container('side')], limits),
    cell('job', [shell('main', 'exit 3')]),
  );
});
afterAll(() => host.containerd.stop());

test('a cell with its network, limits, containers and operations', async () => {
  const text = await kuke('describe', 'cell', 'web');
  expect(text).toMatch(/^State: +Ready\n/m);
  expect(text).toMatch(
    /^Network:\n {2}NETWORK .*\n {2}main-default +eth0 +10\.88\.0\.\d+\/16 +10\.88\.0\.1 +8080:80\n/m,
  );
  expect(text).toMatch(/^Limits:\n {2}FIELD .*\n {2}memory\.limit +64Mi +spec/m);
  expect(text).toMatch(
    /^ {2}main \(root\):\n {4}Image: +docker\.io\/library\/test:1\n {4}State: +Running\n {4}PID: +\d+\n/m,
  );
  expect(text).toMatch(/^ {2}\d{4}-\S+Z \(\d+\w ago\) +created +\d+ +[\d.]+ m?s +root +kuke apply -f -\n$/m);
  expect(await kuke('describe', 'container', 'side', '--cell', 'web')).toMatch(/^ {2}PID: +\d+$/m);
});

test('why a cell has failed', async () => {
  const text = await kuke('describe', 'cell', 'job');
  expect(text).toMatch(/^State: +Failed \(RootExited\)\n +the root container `main` ended with exit code 3/m);
  expect(text).toMatch(/^ {4}State: +Exited with exit code 3$/m);
});

test('a realm with its images, also of who is not root; what he may not see is told', async () => {
  expect(await kuke('describe', 'realm', 'main')).toMatch(
    /^Images:\n {2}NAME .*\n {2}docker\.io\/library\/test:1 +[0-9a-f]{12} /m,
  );
  const nobody = await run(['describe', 'realm', 'main'], {
    prefix: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
  });
  expect(nobody.status).toBe(0);
  expect(nobody.stdout).toMatch(/^Not known:\n(?: {2}.*\n)* {2}operations: .*denied.*\n {2}images: /m);
  expect(nobody.stdout).toMatch(/^State: +Unknown /m);
});

test('an operation that was undone is told of, for who has to find out what happened', async () => {
  const failed = await tryApply(cell('web', [container('main', { command: ['/nowhere'] })]));
  expect(failed.status).not.toBe(0);
  const { operations } = JSON.parse(await kuke('describe', 'cell', 'web', '-o', 'json'));
  expect(operations[0]).toMatchObject({ command: 'kuke apply -f -', result: expect.stringMatching(/undone|failed/) });
  expect(statSync(AUDIT).mode & 0o777).toBe(0o640);
});

test('the tree, in the characters of the locale', async () => {
  const { stdout } = await run(['tree'], { env: { LC_ALL: 'C.UTF-8' } });
  expect(stdout).toMatch(/^NAME +STATE +ADDRESS/);
  expect(stdout).toMatch(/^realm main +Ready/m);
  expect(stdout).toMatch(/^└─ space default +Ready +10\.88\.0\.0\/16/m);
  expect(stdout).toMatch(/^ {3}└─ stack default +Ready/m);
  expect(stdout).toMatch(/^ {6}├─ cell job +Failed \(RootExited\)/m);
  expect(stdout).toMatch(/^ {6}└─ cell web /m);
  expect(stdout).toMatch(/^ {9}└─ container main /m);
  expect((await run(['tree'], { env: { LC_ALL: 'C' } })).stdout).toMatch(/^ {6}\|- cell job /m);
});

test('nothing of it is left by an uninstall', async () => {
  expect(existsSync(AUDIT)).toBe(true);
  await kuke('uninstall', '--yes');
  expect(existsSync('/opt/kukeon')).toBe(false);
  expect(existsSync('/var/log/kukeon')).toBe(false);
});
