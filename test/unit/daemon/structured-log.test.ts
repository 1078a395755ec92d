/** A line an event, for machines. */
import { expect, test } from 'bun:test';
import { makeLog } from '../../../src/daemon/structured-log.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

test('each line is an object: time, level, message, then the fields, which cannot take their places', () => {
  const lines: string[] = [];
  const log = makeLog('info', line => lines.push(line));
  log.info('cell restarted', { cell: 'main/default/default/web', message: 'other', restarts: 3n });
  log.debug('not said');
  log.setLevel('debug');
  log.debug('said');
  log.error('failed', { error: new KukeError('Conflict', 'two\nlines', { resource: 'cell x' }) });
  expect(lines.every(line => line.endsWith('}\n') && line.indexOf('\n') === line.length - 1)).toBe(true);
  const [first, second, third] = lines.map(line => JSON.parse(line));
  expect(first).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    level: 'info',
    message: 'cell restarted',
    cell: 'main/default/default/web',
    restarts: 3,
  });
  expect(second).toMatchObject({ level: 'debug', message: 'said' });
  expect(third.error).toEqual({ code: 'Conflict', message: 'cell x: two lines' });
});
