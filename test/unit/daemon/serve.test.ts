/** kukeond's life: one a run path, its parts in their order, its signals. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DaemonSettings, type ServeOptions, type StartPart, serve } from '../../../src/daemon/serve.ts';
import { claim, runningDaemon } from '../../../src/daemon/single-instance.ts';
import { type DaemonPlaces, daemonPlaces } from '../../../src/kernel/daemon-places.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';

let folder: string;
let places: DaemonPlaces;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-serve-'));
  places = { ...daemonPlaces('/opt/kukeon'), pidFile: join(folder, 'run/pid'), socket: join(folder, 'run/sock') };
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('places', () => {
  test('the ones of the contract, and others for another run path', () => {
    const first = daemonPlaces('/opt/kukeon');
    expect(first).toMatchObject({ socket: '/run/kukeon/kukeond.sock', pidFile: '/run/kukeon/kukeond.pid' });
    expect(first).toMatchObject({ unit: 'kukeond.service', audit: '/var/log/kukeon/audit.jsonl' });
    const other = Object.values(daemonPlaces('/srv/kuke'));
    expect(other.filter(path => Object.values(first).includes(path))).toEqual([]);
  });
});

describe('one a run path', () => {
  test('the second one is refused and told of the first; what a dead one left is no hindrance', () => {
    {
      using _ = claim(places);
      expect(readFileSync(places.pidFile, 'utf8')).toBe(`${process.pid}\n`);
      expect(runningDaemon(places)?.pid).toBe(process.pid);
      expect(() => claim(places)).toThrow(`kukeond runs already: pid ${process.pid}`);
    }
    expect(existsSync(places.pidFile)).toBe(false);
    writeFileSync(places.pidFile, '1\n');
    writeFileSync(places.socket, '');
    using _ = claim(places);
    expect(existsSync(places.socket)).toBe(false);
  });
});

function daemon(settings: () => Promise<DaemonSettings> = async () => ({ logLevel: 'error' })): ServeOptions {
  return {
    places,
    runPath: '/opt/kukeon',
    version: '0',
    settings,
    engine: {
      open: () => Promise.reject(new Error('not asked for here')),
      journal: () => makeJournal(join(folder, 'journal')),
      lockTimeoutMs: 1000,
    },
  };
}

describe('its parts', () => {
  const part =
    (name: string, told: string[], failing = false): StartPart =>
    async ({ signal }) => {
      if (failing) throw new Error(`no ${name}`);
      told.push(`start ${name}`);
      return {
        name,
        reload: async ({ logLevel }) => void told.push(`reload ${name} ${logLevel}`),
        stop: async () => void told.push(`stop ${name} ${signal.aborted}`),
      };
    };

  test('come in their order, are told of changes, and go in the reverse order', async () => {
    const told: string[] = [];
    const signals = new EventEmitter();
    const levels = ['error', 'warn'] as const;
    let asked = 0;
    const settings = async (): Promise<DaemonSettings> => ({ logLevel: levels[asked++] ?? 'error' });
    const started: StartPart = async () => {
      setTimeout(() => {
        signals.emit('SIGHUP');
        signals.emit('SIGTERM');
      });
      return { name: 'last', stop: async () => {} };
    };
    const failing: StartPart = async () => ({
      name: 'one that cannot be reloaded',
      reload: () => Promise.reject(new Error('no')),
      stop: async () => {},
    });
    await serve(daemon(settings), [part('api', told), failing, part('supervisor', told), started], signals);
    expect(told).toEqual([
      'start api',
      'start supervisor',
      'reload api warn',
      'reload supervisor warn',
      'stop supervisor true',
      'stop api true',
    ]);
    expect(signals.eventNames()).toEqual([]);
    expect(existsSync(places.pidFile)).toBe(false);
  });

  test('one that cannot start takes those before it down, and the claim with it', async () => {
    const told: string[] = [];
    const parts = [part('api', told), part('supervisor', told, true)];
    await expect(serve(daemon(), parts, new EventEmitter())).rejects.toThrow('no supervisor');
    expect(told).toEqual(['start api', 'stop api false']);
    expect(existsSync(places.pidFile)).toBe(false);
  });
});
