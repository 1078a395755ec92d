/** The plugin `loopback`: sets `lo` of a container up. Whatever CNI_IFNAME says, as the reference plugin has it. */
import { hasCode } from '../../host/errno.ts';
import { listAddresses } from '../../host/netlink/address.ts';
import { requireLink, setLink } from '../../host/netlink/link.ts';
import type { NetlinkSocket } from '../../host/netlink/socket.ts';
import type { Result } from '../result.ts';
import { insideOf, openInside } from './inside.ts';
import type { AttachmentCall, CniPlugin } from './plugin.ts';
import { PluginError } from './plugin-error.ts';

const LO = 'lo';

/** After other plugins their result, as it came. */
async function add(call: AttachmentCall): Promise<Result> {
  const { netns, cniVersion, prevResult } = call;
  using socket = openInside(call);
  const present = () => listAddresses(socket, { link: LO }).map(({ address }) => address);
  const other = present().find(address => !/^127\.|^::1\//.test(address));
  if (other !== undefined) {
    throw new PluginError('Internal', `lo in ${netns} has the address ${other}, which is no loopback address`);
  }
  setUp(socket, call, true);
  if (prevResult) return prevResult;
  const addresses = present();
  const ipv4 = addresses.find(address => !address.includes(':'));
  const ipv6 = addresses.find(address => address.includes(':'));
  return {
    cniVersion,
    interfaces: [{ name: LO, mac: '00:00:00:00:00:00', sandbox: netns }],
    ips: [ipv4, ipv6].flatMap(address => (address === undefined ? [] : [{ address, interface: 0 }])),
    routes: [],
  };
}

async function del(call: AttachmentCall): Promise<void> {
  if (call.netns === '') return;
  try {
    using socket = openInside(call);
    setUp(socket, call, false);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error; // the namespace has gone meanwhile
  }
}

async function check(call: AttachmentCall): Promise<void> {
  using socket = openInside(call);
  if (requireLink(socket, LO).up) return;
  throw new PluginError('Internal', `lo in ${call.netns} is down`, 'DEL the attachment and ADD it again');
}

function setUp(socket: NetlinkSocket, call: AttachmentCall, up: boolean): void {
  const command = `${insideOf(call)}ip link set lo ${up ? 'up' : 'down'}`;
  call.trace(command, () => setLink(socket, LO, { up }));
}

/** It keeps nothing anywhere but in the container, and needs nothing. */
async function nothing(): Promise<void> {}

export const loopback: CniPlugin = { add, del, check, gc: nothing, status: nothing };
