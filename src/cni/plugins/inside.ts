/** Work inside of a container's network namespace. */
import { NetlinkSocket } from '../../host/netlink/socket.ts';
import { within } from '../../host/netns.ts';
import type { AttachmentCall } from './plugin.ts';
import { shellWord } from './shell-word.ts';

/** rtnetlink of the namespace; SystemError ENOENT if it has gone since the call was checked. */
export function openInside({ netns }: AttachmentCall): NetlinkSocket {
  return within(netns, () => new NetlinkSocket('route'));
}

/** What a command is put behind to be run there. */
export const insideOf = ({ netns }: AttachmentCall) => `nsenter --net=${shellWord(netns)} `;
