/** What is for kukeond, and what is not, before anything is loaded. */
import { describe, expect, test } from 'bun:test';
import { commands } from '../../../src/cli/commands.ts';
import { asksForOwn, hostIn, isOwnCommand, mayBeForDaemon, SOCKET } from '../../../src/cli/console/where.ts';
import { DEFAULT_RUN_PATH, daemonPlaces } from '../../../src/kernel/daemon-places.ts';

const THERE = import.meta.path;
const words = (line: string) => line.split(' ').filter(Boolean);

test('the socket is that of the default run path', () => {
  expect(SOCKET).toBe(daemonPlaces(DEFAULT_RUN_PATH).socket);
});

test('what is run here alone are commands, and those that look or change go to the daemon', () => {
  const own = Object.keys(commands).filter(isOwnCommand).sort();
  expect(own).toEqual([
    'cni',
    'completion',
    'daemon',
    'doctor',
    'help',
    'init',
    'plugin',
    'schema',
    'uninstall',
    'version',
  ]);
});

describe('with a socket', () => {
  test.each([
    ['get cells', true],
    ['--realm lab get cells', true],
    ['exec web -- kuke --run-path /x', true],
    ['version', false],
    ['--version', false],
    ['', false],
    ['get cells --run-path /x', false],
    ['--run-path=/x get cells', false],
    ['get cells --config /x', false],
    ['get cells --no-daemon', false],
    ['get cells --no-daemon=true', false],
    ['get cells --no-daemon=false', true],
    ['version --host ssh://there', true],
  ])('kuke %s: %p', (line, isFor) => {
    expect(mayBeForDaemon(words(line), {}, THERE)).toBe(isFor);
  });

  test.each([
    [{ KUKE_NO_DAEMON: '1' }, false],
    [{ KUKE_NO_DAEMON: 'no' }, true],
    [{ KUKE_NO_DAEMON: '' }, true],
    [{ KUKE_RUN_PATH: '/x' }, false],
    [{ DOCKER_CONFIG: '/x' }, false],
    [{ KUKE_REALM: 'lab' }, true],
    [{ KUKE_HOST: 'ssh://there', KUKE_NO_DAEMON: '1' }, true],
  ])('%j: %p', (env, isFor) => {
    expect(mayBeForDaemon(['get', 'cells'], env, THERE)).toBe(isFor);
  });
});

test('without a socket nothing is, save for another host', () => {
  expect(mayBeForDaemon(['get', 'cells'], {}, '/no/such')).toBe(false);
  expect(mayBeForDaemon(['get', 'cells', '--host', 'ssh://there'], {}, '/no/such')).toBe(true);
});

test.each([
  ['get cells --host ssh://a -A', 'ssh://a', 'get cells -A'],
  ['--host=ssh://a get cells', 'ssh://a', 'get cells'],
  ['exec web -- ssh --host x', undefined, 'exec web -- ssh --host x'],
  ['get cells --host', '', 'get cells'],
])('%s: the host is taken out', (line, host, rest) => {
  expect(hostIn(words(line), {})).toEqual({ host, argv: words(rest) });
});

test('what the daemon has of its own', () => {
  expect(asksForOwn(['get', 'cells', '--containerd-socket', '/x'], {})).toBe(true);
  expect(asksForOwn(['run', 'image', '--', '--config'], {})).toBe(false);
});
