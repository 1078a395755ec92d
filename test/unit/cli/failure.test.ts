import { expect, spyOn, test } from 'bun:test';
import fs from 'node:fs';
import { printFailure } from '../../../src/cli/output/failure.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

test('what else failed is told once, without what to do next where that is the same', () => {
  let told = '';
  const write = spyOn(fs, 'writeSync').mockImplementation((_: number, data: unknown) => {
    told += String(data);
    return String(data).length;
  });
  const lost = () => new KukeError('RuntimeUnavailable', 'lost', { step: 'undo the start of web' });
  printFailure(new KukeError('RuntimeUnavailable', 'lost', {}, [lost(), lost(), new KukeError('NotFound', 'gone')]));
  write.mockRestore();
  expect(told.split('\n').slice(1)).toEqual([
    '  also: undo the start of web: lost',
    '  also: gone (see `kuke get`)',
    '',
  ]);
});
