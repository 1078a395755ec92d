import { fakeImages } from '../../fakes/images.ts';
import { addContainer, fakeArchive, makeHost, publish } from '../../fakes/index.ts';
import { archivedConfig, imagesSuite } from '../../suites/images.ts';

imagesSuite('the fake images', ['JSON'], async () => {
  const host = makeHost();
  const namespaces = ['kukeon-main', 'kukeon-other'];
  for (const name of namespaces)
    host.runtime.namespaces.set(name, { ours: true, containers: new Map(), images: new Map() });
  const down = makeHost();
  down.runtime.up = false;
  return {
    backend: fakeImages(host),
    namespace: 'kukeon-main',
    otherNamespace: 'kukeon-other',
    archives: { JSON: name => fakeArchive({ ...archivedConfig, name }) },
    useImage: async image => {
      addContainer(host, { id: 'user', image });
    },
    publish: async name => {
      publish(host, { ...archivedConfig, name });
      return `docker.io/library/${name}`;
    },
    unavailable: () => fakeImages(down),
    cleanup: async () => {},
  };
});
