/** A program that calls host-local and is killed before its Nth effect: `killed-at.ts <verb> <data dir> <container id> <N>`. Exits 0 if it has fewer. */
import { hostLocal } from '../../../../../src/cni/plugins/host-local/host-local.ts';
import { type AnyCall, callOf } from './call.ts';

const [, , verb, dataDir, containerId = '', at] = process.argv;
let effects = 0;
const trace: AnyCall['trace'] = (_, effect) => {
  if (++effects === Number(at)) process.kill(process.pid, 'SIGKILL');
  return effect();
};
const ranges = [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]];
const call = callOf({ type: 'host-local', dataDir, ranges }, { containerId, trace });
if (verb === 'add') await hostLocal.add(call);
else if (verb === 'del') await hostLocal.del(call);
else await hostLocal.gc(call);
