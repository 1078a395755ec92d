/** What kukeond tells systemd, by its words and over a real socket. */
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeNotifier } from '../../../src/daemon/systemd.ts';
import { bindDatagrams, sendDatagram } from '../../../src/host/datagram.ts';

const folder = mkdtempSync(join(tmpdir(), 'kuke-notify-'));
afterAll(() => rmSync(folder, { recursive: true }));

function told(env: Record<string, string | undefined>) {
  const said: [string, string][] = [];
  return { notifier: makeNotifier(env, (socket, text) => said.push([socket, text])), said };
}

describe('sd_notify', () => {
  test('its words', () => {
    const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '30000000', PATH: '/bin' };
    const { notifier, said } = told(env);
    notifier.ready();
    notifier.reloading();
    notifier.status('2 cells\nrun');
    notifier.alive();
    notifier.stopping();
    expect(said.map(([, text]) => text)).toEqual([
      'READY=1',
      'RELOADING=1',
      'STATUS=2 cells run',
      'WATCHDOG=1',
      'STOPPING=1',
    ]);
    expect(new Set(said.map(([socket]) => socket))).toEqual(new Set(['/run/systemd/notify']));
    expect(notifier.watchdogMs).toBe(15_000);
    // A child would speak for us.
    expect(env).toEqual({ PATH: '/bin' } as unknown as typeof env);
  });

  test('nobody is told where nobody asked, and nobody waits', () => {
    const { notifier, said } = told({ WATCHDOG_USEC: '1000' });
    notifier.ready();
    expect(said).toEqual([]);
    expect(notifier.watchdogMs).toBeUndefined();
  });

  test('a watchdog that waits for another process is none', () => {
    const { notifier } = told({ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' });
    expect(notifier.watchdogMs).toBeUndefined();
  });

  test('who has gone is done without', () => {
    const notifier = makeNotifier({ NOTIFY_SOCKET: join(folder, 'nobody') });
    expect(() => notifier.ready()).not.toThrow();
  });
});

describe('datagrams', () => {
  test('arrive whole, in their order, also those that were sent before anybody waited', async () => {
    const path = join(folder, 'a');
    using socket = bindDatagrams(path);
    sendDatagram(path, 'READY=1');
    expect(await socket.next(AbortSignal.timeout(5000))).toBe('READY=1');
    const next = socket.next(AbortSignal.timeout(5000));
    sendDatagram(path, 'a\nb');
    sendDatagram(path, 'c');
    expect(await next).toBe('a\nb');
    expect(await socket.next(AbortSignal.timeout(5000))).toBe('c');
  });

  test('a wait that is called off rejects with the reason, and the socket goes with its owner', async () => {
    const path = join(folder, 'b');
    {
      using socket = bindDatagrams(path);
      await expect(socket.next(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    }
    expect(existsSync(path)).toBe(false);
    expect(() => sendDatagram(path, 'x')).toThrow('(ENOENT)');
  });

  test('abstract names are known to the kernel alone', () => {
    expect(() => sendDatagram('@kuke-nobody-listens', 'x')).toThrow('(ECONNREFUSED)');
    expect(() => sendDatagram(`/${'x'.repeat(108)}`, 'x')).toThrow(RangeError);
  });
});
