/** bridge: ipMasq and macspoofchk, by rules and by what gets through. */
import { expect } from 'bun:test';
import { output } from '../../host/observe/command.ts';
import { type Case, cases, type Made } from './case.ts';
import { bridge, V4, V6 } from './configs.ts';
import { ask, OUTSIDE, OUTSIDE6, outsideOf, SHUT, serve, UPLINK, UPLINK6 } from './traffic.ts';
import { addressOf, rulesAbout } from './views.ts';

/** The namespace beyond the host, which `outsideOf` made after the container. */
const beyond = ({ host }: Made) => host.containers[1]?.name ?? '';
const gateway = { isDefaultGateway: true };

/** What the outside sees of who asks it, over each protocol. */
async function seen(made: Made, address: string) {
  await using _ = await serve(beyond(made));
  return [await ask(made.container.name, 'tcp', address), await ask(made.container.name, 'udp', address)];
}

cases('ipMasq', [
  {
    name: 'what leaves the host has the host’s address',
    plugins: host => [bridge(host, { ...gateway, ipMasq: true })],
    prepare: outsideOf,
    async state(made) {
      expect(await rulesAbout(made.host.name, addressOf(made.result))).not.toEqual([]);
      expect(await seen(made, OUTSIDE)).toEqual([UPLINK, UPLINK]);
    },
  },
  {
    name: 'without it, the container’s own',
    plugins: host => [bridge(host, gateway)],
    prepare: outsideOf,
    async state(made) {
      expect(await rulesAbout(made.host.name, addressOf(made.result))).toEqual([]);
      expect(await seen(made, OUTSIDE)).toEqual(['10.77.0.2', '10.77.0.2']);
    },
  },
  {
    name: 'IPv6',
    plugins: host => [bridge(host, { ...gateway, ipMasq: true }, {}, [V6])],
    prepare: outsideOf,
    async state(made) {
      expect(await rulesAbout(made.host.name, addressOf(made.result))).not.toEqual([]);
      expect(await seen(made, OUTSIDE6)).toEqual([UPLINK6, UPLINK6]);
    },
  },
  {
    name: 'both families',
    plugins: host => [bridge(host, { ...gateway, ipMasq: true }, {}, [V4, V6])],
    prepare: outsideOf,
    async state(made) {
      expect([...(await seen(made, OUTSIDE)), ...(await seen(made, OUTSIDE6))]).toEqual([
        UPLINK,
        UPLINK,
        UPLINK6,
        UPLINK6,
      ]);
    },
  },
  {
    name: 'within the network the container’s own, also to the gateway',
    plugins: host => [bridge(host, { ...gateway, ipMasq: true })],
    async state({ host, container }) {
      await using _ = await serve(host.name);
      expect(await ask(container.name, 'tcp', '10.77.0.1')).toBe('10.77.0.2');
    },
  },
]);

const SPOOFED = '0e:de:ad:be:ef:01';
const spoofing = (name: string, macspoofchk: boolean): Case => ({
  name,
  plugins: host => [bridge(host, { ...gateway, macspoofchk })],
  async state({ host, container }) {
    await using _ = await serve(host.name);
    expect(await ask(container.name, 'udp', '10.77.0.1')).toBe('10.77.0.2');
    await output('ip', '-n', container.name, 'link', 'set', 'eth0', 'address', SPOOFED);
    const answer = await ask(container.name, 'udp', '10.77.0.1', undefined, macspoofchk ? SHUT : undefined);
    expect(answer).toBe(macspoofchk ? undefined : '10.77.0.2');
  },
  check: 999,
});

cases('macspoofchk', [
  spoofing('frames from a MAC that was not given are dropped', true),
  spoofing('without it they get through', false),
]);
