/**
 * A container in several networks is told to publish the same ports in each. The first attachment has a port; the others wait for it, each
 * with an element of its own, and when it leaves, the next one has it in the same transaction.
 */
import type { NetlinkSocket } from '../../../host/netlink/socket.ts';
import { getElement } from '../../../host/nftables/list.ts';
import { type Element, type Elements, elements } from '../../../host/nftables/object.ts';
import type { PortSection } from './sections.ts';

/** In place of an element of `anywhere` or `on` that another attachment of its container has. */
export function waitingElement({ waiting, any }: PortSection, { key, data, comment = '' }: Element): Elements {
  const place = key.length === 3 ? key : [any, ...key];
  return elements(waiting, [{ key: [...place, ...(Array.isArray(data) ? data : [])], comment }]);
}

/** Whether it is there. */
export function isWaiting(socket: NetlinkSocket, section: PortSection, element: Element): boolean {
  return waitingElement(section, element).elements.every(one => {
    return getElement(socket, section.waiting, one)?.comment === one.comment;
  });
}

/** Those of the elements of `waiting` whose port goes with one that `isGone` says yes to. Of several, the first by name, in either family. */
export function heirsIn(
  section: PortSection,
  sets: readonly Elements[],
  isGone: (label: string) => boolean,
): ReadonlySet<Element> {
  const list = (name: string) => sets.find(({ set }) => set.set === name)?.elements ?? [];
  const waiting = list(section.waiting.set).filter(({ comment = '' }) => !isGone(comment));
  if (waiting.length === 0) return new Set();
  waiting.sort(({ comment: a = '' }, { comment: b = '' }) => (a < b ? -1 : 1));
  const ports = [
    ...list(section.on.set),
    ...list(section.anywhere.set).map(one => ({ ...one, key: [section.any, ...one.key] })),
  ];
  const free = new Set(ports.filter(({ comment = '' }) => isGone(comment)).map(({ key }) => key.join(' ')));
  return new Set(waiting.filter(({ key }) => free.delete(key.slice(0, 3).join(' '))));
}

/** What such elements become. */
export function inherited({ anywhere, on, any }: PortSection, heirs: ReadonlySet<Element>): Elements[] {
  const made = [...heirs].map(({ key, comment = '' }) => ({ key: key.slice(0, 3), data: key.slice(3), comment }));
  return [
    elements(
      on,
      made.filter(({ key: [address] }) => address !== any),
    ),
    elements(
      anywhere,
      made.filter(({ key: [address] }) => address === any).map(one => ({ ...one, key: one.key.slice(1) })),
    ),
  ];
}
