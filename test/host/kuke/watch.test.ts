// containerd: once, since its events are client-services.test.ts's to hold on each
/** get -w: what changes is printed when it changes: by files, by containers, by containerd itself, by a cgroup. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, rmdirSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { cell, container, manifest, pidsOf, shell } from './cells.ts';
import { apply, binary, kuke, start } from './kuke.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
  await apply(cell('web', [container('main')]));
});
afterAll(() => host.containerd.stop());

/** What it has printed so far, and how it ends. */
function watching(...args: string[]) {
  const program = start(['get', '-w', ...args]);
  let text = '';
  const reading = (async () => {
    for await (const bytes of program.stdout) text += new TextDecoder().decode(bytes);
  })();
  return {
    program,
    text: () => text,
    rows: () =>
      text
        .trimEnd()
        .split('\n')
        .map(line => line.split(/ {2,}/)),
    /** Throws with what has been printed instead. */
    prints: (pattern: RegExp) =>
      eventually(async () => (pattern.test(text) ? true : undefined)).catch(() => {
        throw new Error(`${pattern} is not in:\n${text}`);
      }),
    async end(signal: 'SIGINT' | 'SIGTERM'): Promise<number | null> {
      program.kill(signal);
      await reading;
      return program.exited;
    },
  };
}

test('a reader that goes away ends it, though nothing more is printed', async () => {
  for (const line of ['get cells -w', 'logs web -f']) {
    const shell = Bun.spawnSync(['bash', '-c', `'${binary}' ${line} | head -n 1; echo "$PIPESTATUS"`]);
    expect(shell.stdout.toString()).toMatch(/^(?:NAME.*|ready)\n0\n$/);
  }
});

test('prints what there is, then each cell that comes, changes and goes', async () => {
  const watch = watching('cells');
  await watch.prints(/^NAME +STATE +READY +RESTARTS +ADDRESS\nweb +Ready +1\/1 +0 +10\.88\./);
  await apply(cell('job', [shell('main', 'exec sleep 100000')]));
  await watch.prints(/^job +Ready +1\/1 +0 +10\.88\./m);
  // Nobody but the kernel and containerd knows of this one.
  const { status } = JSON.parse(await kuke('get', 'cell', 'job', '-o', 'json'));
  process.kill(status.containers[0].pid, 'SIGKILL');
  await watch.prints(/^job +Failed +0\/1/m);
  await kuke('delete', 'cell', 'job', '--cascade');
  await watch.prints(/^job +Deleted/m);
  await kuke('stop', 'cell', 'web');
  await watch.prints(/^web +Stopped +0\/1/m);
  await kuke('start', 'cell', 'web');
  await watch.prints(/^web +Stopped[\s\S]*^web +Ready +1\/1/m);
  expect(await watch.end('SIGINT')).toBe(130);
  expect(await watch.program.stderr.text()).toBe('');
  // A line a change: none is printed twice in a row.
  for (const [index, row] of watch.rows().entries()) expect(row).not.toEqual(watch.rows()[index - 1]);
});

test('a cell that commands restart and make anew is told as Ready all the while', async () => {
  const watch = watching(
    'cell',
    'web',
    '-o',
    'jsonpath={.status.state} {.status.containers[*].state} {.status.containers[0].pid}{"\\n"}',
  );
  const works = [undefined, ['rollout', 'restart', 'web'], ['rollout', 'restart', 'web']];
  for (const args of works) {
    if (args === undefined) await apply(cell('web', [container('main', { env: ['A=1'] }), container('side')]));
    else await kuke(...args);
    await watch.prints(new RegExp(` ${(await pidsOf('web')).main}$`, 'm'));
  }
  expect(await watch.end('SIGINT')).toBe(130);
  const rows = [...new Set(watch.rows().map(([line = '']) => line))].map(line => line.replace(/ \d+$/, ''));
  expect(rows).toEqual(['Ready Running', ...works.map(() => 'Ready Running Running')]);
});

test('json, names and templates stream too, one resource a time, and events are told', async () => {
  const json = watching('cells', '-o', 'json', '--output-watch-events');
  const names = watching('cells', '-o', 'name', '-A');
  const template = watching('cell', 'web', '-o', 'jsonpath={.metadata.labels.v}{"\\n"}');
  await Promise.all([json.prints(/^}$/m), names.prints(/^cell\/web$/m), template.prints(/^\n/)]);
  await apply({ ...cell('web', [container('main')]), metadata: { name: 'web', labels: { v: 'two' } } });
  await Promise.all([
    template.prints(/^two$/m),
    names.prints(/^cell\/web\n(?:cell\/web\n)+/),
    json.prints(/"v": "two"/),
  ]);
  const ends = await Promise.all([json.end('SIGTERM'), names.end('SIGINT'), template.end('SIGINT')]);
  expect(ends).toEqual([143, 130, 130]);
  const objects = json
    .text()
    .split(/(?<=^})\n/m)
    .filter(text => text.trim() !== '');
  const parsed = objects.map(text => JSON.parse(text));
  expect(parsed[0]).toMatchObject({ type: 'ADDED', object: { kind: 'Cell', metadata: { name: 'web' } } });
  expect(parsed.at(-1)).toMatchObject({ type: 'MODIFIED', object: { metadata: { labels: { v: 'two' } } } });
});

test('a space’s folder that was not there when it began is seen too, and so is a cgroup that goes', async () => {
  const watch = watching('stacks', '-A');
  await watch.prints(/default +default +Ready|default +Ready/);
  await apply(manifest('Space', 'late'), manifest('Stack', 'blog', { spaceId: 'late' }));
  await watch.prints(/late +blog +Ready/);
  rmdirSync('/sys/fs/cgroup/kukeon/main/late/blog');
  await watch.prints(/late +blog +Failed/);
  mkdirSync('/sys/fs/cgroup/kukeon/main/late/blog');
  await apply(manifest('Stack', 'other', { spaceId: 'late' }));
  await watch.prints(/late +other +Ready/);
  expect(await watch.end('SIGINT')).toBe(130);
});

test('ends well once nobody reads any more', async () => {
  const script = `"${binary}" get cells -w | head -1; exit \${PIPESTATUS[0]}`;
  const program = Bun.spawn(['bash', '-c', script], { stdout: 'pipe', stderr: 'pipe' });
  const { value } = await program.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toStartWith('NAME ');
  await kuke('stop', 'cell', 'web'); // what it would print of this, nobody takes
  expect([await program.exited, await program.stderr.text()]).toEqual([0, '']);
  await kuke('start', 'cell', 'web');
});

test('goes on when containerd goes and comes back', async () => {
  const watch = watching('cells');
  await watch.prints(/^web +Ready/m);
  await host.containerd.stop();
  await watch.prints(/^web +Unknown/m);
  await host.containerd.start();
  await watch.prints(/^web +Unknown[\s\S]*^web +Ready/m);
  expect(await watch.end('SIGINT')).toBe(130);
});
