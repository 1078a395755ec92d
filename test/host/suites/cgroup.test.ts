/** The suite of the Cgroup backends, on cgroup2. */
import { mkdirSync } from 'node:fs';
import { cgroupSuite } from '../../suites/cgroup.ts';
import { backendOf, cleanUp, groups, livesIn, MOUNT, setByHand, shellIn } from '../cgroup-v2/backend-under-test.ts';

cgroupSuite('cgroup-v2', async () => ({
  backend: backendOf(),
  foreign: async path => mkdirSync(MOUNT + path),
  occupied: async path => {
    const child = await shellIn(path);
    return { alive: () => livesIn(path, child) };
  },
  setByHand: async (path, field, value) => setByHand(path, field, value),
  groups: async path => groups(path),
  cleanup: cleanUp,
}));
