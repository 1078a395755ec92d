/** Changes of the host's links and of its rules, as the kernel tells them: rtnetlink(7), nft monitor. */
import { Group, NetfilterGroup, NetlinkSocket } from '../../src/host/netlink/socket.ts';

/** What belongs together comes together: an attachment is a dozen changes. */
const GATHER_MS = 50;

/** Until `signal`. */
export function watchNetworks(changed: () => void, signal: AbortSignal): void {
  const links = new NetlinkSocket('route');
  links.subscribe(Group.link);
  void follow(links, changed, signal);
  const rules = new NetlinkSocket('netfilter');
  rules.subscribe(NetfilterGroup.nftables);
  void follow(rules, changed, signal);
}

async function follow(socket: NetlinkSocket, changed: () => void, signal: AbortSignal): Promise<void> {
  using news = socket;
  try {
    for (;;) {
      await news.notified(signal);
      changed();
      await Bun.sleep(GATHER_MS);
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}
