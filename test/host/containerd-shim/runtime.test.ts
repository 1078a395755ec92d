/** The suite of the Runtime backends, on containerd. */
import { afterAll, beforeAll } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { context } from '../../suites/contract.ts';
import { type RuntimeUnderTest, runtimeSuite, suiteImage } from '../../suites/runtime.ts';
import { runtimeProcessSuite } from '../../suites/runtime-processes.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { busybox } from '../image.ts';
import { output } from '../observe/command.ts';
import * as ctr from '../observe/containerd.ts';
import { foreignContainer, IMAGE, importImage, LOGS, NAMESPACE, runtimeOn } from './runtime-under-test.ts';

const OTHER = 'kukeon-other';
const CGROUP = 'kukeon-suite';
const CGROUP_PATH = `/sys/fs/cgroup/${CGROUP}`;

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
});
afterAll(() => containerd.stop());

async function make(): Promise<RuntimeUnderTest> {
  const backend = runtimeOn();
  await backend.createNamespace({ namespace: NAMESPACE }, context());
  if (!(await ctr.images(NAMESPACE)).includes(IMAGE)) {
    const { entrypoint, cmd, env, stopSignal } = suiteImage;
    const config = { Entrypoint: entrypoint, Cmd: cmd, Env: env, StopSignal: stopSignal };
    await importImage(NAMESPACE, { layers: [busybox()], config });
  }
  mkdirSync(CGROUP_PATH, { recursive: true });
  return {
    backend,
    namespace: NAMESPACE,
    image: IMAGE,
    otherNamespace: OTHER,
    cgroup: CGROUP,
    logFolder: LOGS,
    async foreignNamespace(namespace) {
      await output('ctr', 'namespaces', 'create', namespace);
      await foreignContainer(namespace, 'theirs');
    },
    foreignContainer,
    hasContainer: async (namespace, id) => (await ctr.containers(namespace)).includes(id),
    readLog: async path => (existsSync(path) ? await Bun.file(path).text() : undefined),
    unavailable: () => runtimeOn({ socket: '/run/nobody-listens.sock' }),
    async cleanup() {
      for (const { id } of await backend.observe({ namespace: NAMESPACE })) {
        await backend.remove({ namespace: NAMESPACE, id }, context());
      }
      for (const namespace of [NAMESPACE, OTHER]) {
        for (const id of await ctr.containers(namespace)) await ctr.ctr(namespace, ['containers', 'rm', id]);
      }
      if ((await ctr.namespaces()).includes(OTHER)) await output('ctr', 'namespaces', 'rm', OTHER);
      for (const left of readdirSync(CGROUP_PATH, { withFileTypes: true })) {
        if (left.isDirectory()) throw new Error(`cgroup ${left.name} is left`);
      }
      rmdirSync(CGROUP_PATH);
      rmSync(LOGS, { recursive: true, force: true });
    },
  };
}

runtimeSuite('containerd', make);
runtimeProcessSuite('containerd', make);
