/** Going through a subtree of cgroups with few system calls each, since a host may have hundreds of them. */
import { lstatSync } from 'node:fs';
import { type Cgroup, children } from '../../src/host/cgroupfs/cgroup.ts';

/** The cgroup and all below it, each before its children, siblings by name; nothing if it is absent. What is mounted over one is left out. */
export function* walk(cgroup: Cgroup, device = lstatSync(cgroup.root).dev): Generator<Cgroup> {
  const found = lstatSync(cgroup.path, { throwIfNoEntry: false });
  if (found === undefined || found.dev !== device) return;
  yield cgroup;
  // A directory of cgroupfs has a link for itself, one in its parent, and one for each child: most have none.
  if (found.nlink <= 2) return;
  const below = children(cgroup).sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const child of below) yield* walk(child, device);
}
