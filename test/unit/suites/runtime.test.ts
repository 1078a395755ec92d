import { addContainer, addImage, makeHost } from '../../fakes/index.ts';
import { fakeRuntime } from '../../fakes/runtime.ts';
import { context } from '../../suites/contract.ts';
import { type RuntimeUnderTest, runtimeSuite, suiteImage } from '../../suites/runtime.ts';
import { runtimeProcessSuite } from '../../suites/runtime-processes.ts';

async function make(): Promise<RuntimeUnderTest> {
  const host = makeHost();
  const backend = fakeRuntime(host);
  const namespace = 'kukeon-main';
  const image = 'docker.io/library/suite:1';
  await backend.createNamespace({ namespace }, context());
  const made = host.runtime.namespaces.get(namespace);
  if (made === undefined) throw new Error('createNamespace made none');
  addImage(made, { name: image, ...suiteImage });
  const down = makeHost();
  down.runtime.up = false;
  return {
    backend,
    namespace,
    image,
    otherNamespace: 'kukeon-other',
    cgroup: '/kukeon/main',
    logFolder: '/var/log/kukeon',
    foreignNamespace: async other => {
      addContainer(host, { namespace: other, id: 'theirs' }, false);
    },
    foreignContainer: async (other, id) => {
      addContainer(host, { namespace: other, id }, false);
    },
    hasContainer: async (other, id) => host.runtime.namespaces.get(other)?.containers.has(id) ?? false,
    readLog: async path => host.logs.get(path),
    unavailable: () => fakeRuntime(down),
    cleanup: async () => {},
  };
}

runtimeSuite('the fake runtime', make);
runtimeProcessSuite('the fake runtime', make);
