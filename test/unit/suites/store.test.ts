import { keyOf } from '../../../src/kernel/resource.ts';
import { makeHost } from '../../fakes/index.ts';
import { fakeStore } from '../../fakes/store.ts';
import { storeSuite } from '../../suites/store.ts';

storeSuite('the fake store', async () => {
  const host = makeHost();
  host.store.noticeMs = 10;
  return {
    backend: fakeStore(host),
    another: () => fakeStore(host),
    spoil: async ref => {
      const path = `/opt/kukeon/${ref.path.join('/')}`;
      host.store.manifests.delete(keyOf(ref));
      host.store.spoilt.set(keyOf(ref), { path, message: 'spoilt' });
      return path;
    },
    log: async ({ path }, name) => void host.logs.set(`/var/log/kukeon/${path.join('/')}/${name}`, 'log'),
    readFile: async path => host.store.files.get(path),
    cleanup: async () => {},
  };
});
