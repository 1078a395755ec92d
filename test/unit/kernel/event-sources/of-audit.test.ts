import { expect, test } from 'bun:test';
import type { Affected, AuditEntry } from '../../../../src/kernel/audit.ts';
import { eventsOf } from '../../../../src/kernel/event-sources/of-audit.ts';

const cell = 'cell main/default/default/web';
const entry = (resource: Partial<Affected>, more: Partial<AuditEntry> = {}): AuditEntry => ({
  at: '2026-11-22T01:00:00.000Z',
  user: 'amy',
  command: 'kuke x',
  result: 'done',
  resources: [{ resource: cell, result: 'updated', ...resource }],
  ...more,
});
const state = (to: string) => [{ path: 'spec.desiredState', to }];

test.each([
  ['created', entry({ result: 'created' }), ['created']],
  ['with its images', entry({ result: 'created', steps: ['images.pull', 'runtime.start'] }), ['pulled', 'created']],
  ['stopped', entry({ changes: state('stopped') }), ['stopped']],
  ['started', entry({ changes: state('running') }), ['started']],
  ['changed', entry({ changes: [{ path: 'spec.containers[a].image', to: 'x' }] }), ['updated']],
  ['restarted', entry({ steps: ['runtime.stop', 'runtime.start'] }), ['restarted']],
  ['brought up after a reboot', entry({ steps: ['network.attach', 'runtime.start'] }), ['started']],
  ['put right', entry({ steps: ['cgroup.limit'] }), ['updated']],
  ['an image', entry({ resource: 'realm main', result: 'pulled image nginx:1' }), ['pulled']],
  ['put right by doctor', entry({ result: 'fixed OrphanFiles' }), ['fixed']],
  [
    'after a crash',
    entry({ result: 'undone after a crash' }, { result: 'undone after a crash' }),
    ['undone after a crash'],
  ],
  ['of kukeond itself, which its own events tell', entry({ result: 'restarted main' }, { command: 'kukeond' }), []],
  ['one that has only begun', entry({}, { result: 'begun' }), []],
] as const)('%s', (_, given, what) => {
  expect(eventsOf(given).map(one => one.what)).toEqual([...what]);
});

test('who, by which command, what of it, and why it failed', () => {
  expect(eventsOf(entry({ changes: [{ path: 'spec.a', to: 1 }] }))).toEqual([
    {
      at: '2026-11-22T01:00:00.000Z',
      resource: cell,
      what: 'updated',
      message: 'spec.a',
      by: 'amy',
      command: 'kuke x',
    },
  ]);
  const failed = entry({ result: 'failed', error: { code: 'Failed', message: 'no image' } }, { result: 'failed' });
  expect(eventsOf(failed)).toMatchObject([{ what: 'failed', message: 'no image' }]);
});
