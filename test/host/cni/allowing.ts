/** `bun allowing.ts MARK CONTAINER INTERFACE`: lets an interface through in iptables of old; to be killed meanwhile. */
import { allowForward } from '../../../src/cni/host-forward/iptables-legacy.ts';
import '../box.ts';

const [mark = '', containerId, name = ''] = process.argv.slice(2);
await allowForward(mark, [name], { others: 'stay', containerId });
