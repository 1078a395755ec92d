// Another kuke: `other-process.ts RUN_PATH LOCK_FOLDER hold` takes the lock, says so, and holds it until its stdin ends;
// `write` writes the same two manifests over and over until it is killed.
import { makeStore } from '../../../plugins/metadata-fs/store.ts';
import { context } from '../../suites/contract.ts';
import { manifestOf, refOf } from './store-folder.ts';

const [runPath = '', lockFolder = '', mode] = process.argv.slice(2);
const store = makeStore({ runPath, lockFolder, logFolder: '/nonexistent' });
if (mode === 'hold') {
  const request = {
    command: 'kuke apply -f "a b.yaml"',
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    onWait: () => {},
  };
  const lock = await store.lock(request);
  console.log('held');
  await Bun.stdin.text();
  await lock.release();
} else {
  console.log('writing');
  for (let round = 0; ; round++) {
    const fill = (size: number) => ({ fill: `${round} `.repeat(size), end: round });
    await store.write({ ref: refOf('Realm', 'main'), manifest: manifestOf('Realm', 'main', fill(5000)) }, context());
    await store.write({ ref: refOf('Space', 'main/a'), manifest: manifestOf('Space', 'main/a', fill(10)) }, context());
    await store.remove({ ref: refOf('Space', 'main/a') }, context());
  }
}
