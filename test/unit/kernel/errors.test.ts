import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { errorBody } from '../../../src/kernel/error-body.ts';
import { asKukeError, catalogue, type ErrorCode, KukeError } from '../../../src/kernel/errors.ts';

const codes = Object.keys(catalogue) as ErrorCode[];

/** spec.md §7: 1 failed · 2 bad usage or invalid manifest · 3 not found · 4 conflict · 5 host not ready · 6 timed out; and exec's, as a shell has them. */
const byExit: Record<number, ErrorCode[]> = {
  1: [
    'Failed',
    'Internal',
    'Cancelled',
    'MetadataCorrupt',
    'PluginFailed',
    'NetworkFailed',
    'RegistryFailed',
    'RuntimeFailed',
    'CgroupFailed',
    'LimitTooLow',
    'CommandNotFound',
    'UndoFailed',
    'Gone',
  ],
  2: ['Usage', 'InvalidManifest', 'Unsupported', 'InvalidImage', 'MethodNotAllowed', 'TooLarge'],
  3: ['NotFound', 'ImageNotFound'],
  4: ['Conflict', 'HasChildren'],
  5: ['HostNotReady', 'RuntimeUnavailable', 'NotInitialised', 'NotRoot'],
  6: ['TimedOut', 'Locked', 'RequestTimeout', 'Busy'],
  126: ['ProgramNotExecutable'],
  127: ['ProgramNotFound'],
};

describe('the catalogue', () => {
  for (const [exit, expected] of Object.entries(byExit)) {
    test(`exit code ${exit}: ${expected.join(', ')}`, () => {
      expect(expected.map(code => new KukeError(code, 'x').exitCode)).toEqual(expected.map(() => Number(exit)));
    });
  }

  test('every code is in the table above, and has an HTTP status of its kind', () => {
    expect(Object.values(byExit).flat().sort()).toEqual([...codes].sort());
    for (const code of codes) {
      const { exitCode, httpStatus } = new KukeError(code, 'x');
      if (exitCode === 3) expect(httpStatus).toBe(404);
      if (exitCode === 4) expect(httpStatus).toBe(409);
      if (exitCode === 2) expect(httpStatus).toBeOneOf([400, 405, 413, 422]);
      expect(httpStatus).toBeWithin(400, 600);
    }
  });
});

describe('summary', () => {
  test('names the resource, the step, the cause and what to do next', () => {
    const error = new KukeError('NetworkFailed', 'numerical result out of range', {
      resource: 'cell main/default/blog/web',
      step: 'network.attach',
      remedy: 'run `kuke init --force-regenerate-cni`',
    });
    expect(error.summary).toBe(
      'cell main/default/blog/web: network.attach: numerical result out of range (run `kuke init --force-regenerate-cni`)',
    );
  });

  test('takes the catalogue’s remedy where there is no better one', () => {
    expect(new KukeError('NotRoot', 'no').summary).toBe('no (run it with sudo)');
    expect(new KukeError('Conflict', 'no').summary).toBe('no');
  });

  test('what to do next is told in the words of whoever asked', () => {
    const error = new KukeError('Failed', 'no', {
      remedy: words => `leave out ${words('--strict', '`strict`')}`,
    }).with([new KukeError('HasChildren', 'it has')]);
    expect(error.summary).toBe('no (leave out --strict)');
    expect(error.at({ step: 'x' }).also[0]?.remedy).toBe('delete them first, or say --cascade');
    expect(errorBody(error)).toMatchObject({
      remedy: 'leave out `strict`',
      also: [{ remedy: 'delete them first, or say `cascade=true`' }],
    });
    // No flag is left in what the catalogue says to a client of the API, nor a command that a request would do.
    for (const code of codes)
      expect(errorBody(new KukeError(code, 'x')).remedy ?? '').not.toMatch(
        /(?:^|\s)--?[a-z]|kuke (?:get|image|--help)/,
      );
  });

  test('is one line, whatever is in it', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '\n', '\r', '\u2028', '\t') });
    fc.assert(
      fc.property(text, text, fc.constantFrom(...codes), (message, step, code) => {
        expect(new KukeError(code, message, { step }).summary).not.toMatch(/[\n\r\u2028\u2029]/);
      }),
    );
    expect(new KukeError('Conflict', 'a\n  b\r\nc\n').summary).toBe('a b c');
  });
});

describe('a failure on its way up', () => {
  test('is filled in where it does not know resource and step, and keeps what it knows', () => {
    const low = new KukeError('RuntimeFailed', 'no', { step: 'create snapshot' });
    const { details, code, stack } = low.at({ resource: 'cell main/a/b/c', step: 'runtime.create' });
    expect(details).toMatchObject({ resource: 'cell main/a/b/c', step: 'create snapshot' });
    expect(code).toBe('RuntimeFailed');
    expect(stack).toBe(low.stack ?? '');
  });

  test('gathers what else failed', () => {
    const others = ['a', 'b', 'c'].map(message => new KukeError('UndoFailed', message));
    const error = new KukeError('Failed', 'first').with(others.slice(0, 1)).with(others.slice(1));
    expect(error.also.map(({ message }) => message)).toEqual(['a', 'b', 'c']);
    expect(error.at({ step: 'x' }).also).toHaveLength(3);
  });

  test('asKukeError keeps an error’s own words, and any other value', () => {
    const cause = new TypeError('x is not a function');
    const error = asKukeError(cause, 'PluginFailed', { step: 'hook' });
    expect(error).toMatchObject({ code: 'PluginFailed', message: 'x is not a function', details: { step: 'hook' } });
    expect(error.cause).toBe(cause);
    for (const thrown of ['text', 5, null, undefined, { a: 1 }]) {
      expect(asKukeError(thrown)).toMatchObject({ code: 'Failed', message: String(thrown) });
    }
    // A bug is told as one where the host would be blamed for it, and not where it is known whose it is.
    for (const code of ['Failed', 'RuntimeFailed', 'UndoFailed'] as const) {
      const bug = asKukeError(cause, code);
      expect([bug.code, bug.remedy]).toEqual(['Internal', 'this is a bug in kuke: please report it']);
      expect(asKukeError(new RangeError('no'), code).code).toBe(code);
    }
    const own = new KukeError('Conflict', 'no');
    expect(asKukeError(own, 'Failed', { resource: 'realm main' })).toMatchObject({ code: 'Conflict', message: 'no' });
  });
});
