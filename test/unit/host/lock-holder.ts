// A process of its own that takes a lock: lock-holder.ts PATH hold|child|count FILE. Says `held` and holds it until its stdin ends.
import { readFileSync, writeFileSync } from 'node:fs';
import { lock } from '../../../src/host/flock.ts';

const [path = '', mode, file = ''] = process.argv.slice(2);
if (mode === 'count') {
  // Read, think, write: without mutual exclusion some of these get lost.
  for (let round = 0; round < 15; round++) {
    using _lock = await lock(path, () => `${process.pid}`);
    const count = Number(readFileSync(file, 'utf8'));
    await Bun.sleep(2);
    writeFileSync(file, `${count + 1}`);
  }
} else {
  using _lock = await lock(path, () => `${process.pid} holder`);
  const child = mode === 'child' ? Bun.spawn(['sleep', '1000'], { detached: true }) : undefined;
  console.log(`held ${child?.pid ?? ''}`);
  await Bun.stdin.text();
}
