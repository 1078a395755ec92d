// What compiled.test.ts compiles and runs: PROGRAM netns PATH | lock FILE | watch PID CGROUP | detach LOG
import { cgroupRoot } from '../../../src/host/cgroupfs/cgroup.ts';
import { kill, untilEmpty } from '../../../src/host/cgroupfs/processes.ts';
import { startDetached } from '../../../src/host/detached-process.ts';
import { lock } from '../../../src/host/flock.ts';
import { createNetns, netnsId, within } from '../../../src/host/netns.ts';
import { openProcess } from '../../../src/host/pidfd.ts';
import { writeSysctl } from '../../../src/host/sysctl.ts';

const print = (value: unknown) => console.log(JSON.stringify(value));
const [verb, first = '', second = ''] = process.argv.slice(2);

if (verb === 'netns') {
  const { id } = createNetns(first);
  const inside = within(first, () => {
    writeSysctl('net.ipv4.ip_forward', 0);
    return netnsId('/proc/thread-self/ns/net');
  });
  print({ id, inside, after: netnsId('/proc/thread-self/ns/net') });
} else if (verb === 'lock') {
  print('waiting');
  using held = await lock(first, () => `${process.pid}`);
  print(held.path);
  await Bun.stdin.text();
} else if (verb === 'watch') {
  using watched = openProcess(Number(first));
  const cgroup = cgroupRoot(second);
  print('watching');
  await Promise.all([watched?.exited(), untilEmpty(cgroup), Bun.stdin.text().then(() => kill(cgroup))]);
  print('gone');
} else if (verb === 'detach') {
  const { pid, startTime } = startDetached(['/bin/sh', '-c', 'echo started; exec sleep 1000'], { log: first });
  print({ pid, startTime });
}
