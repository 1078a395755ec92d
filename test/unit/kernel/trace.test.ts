/** What a trace is told, and Chrome's trace events of it. */
import { afterEach, describe, expect, test } from 'bun:test';
import { chromeTrace } from '../../../src/kernel/chrome-trace.ts';
import { listenToTrace, type TraceCategory, traced } from '../../../src/kernel/trace.ts';
import { kernelOnFakes } from './kernel-on-fakes.ts';

let stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
});

/** `begin operation a`, `end a`: in the order in which the listener was told. */
function listening(): string[] {
  const told: string[] = [];
  const stop = listenToTrace((category, name, about) => {
    told.push(['begin', category, name, about].filter(Boolean).join(' '));
    return () => told.push(`end ${name}`);
  });
  stops.push(stop);
  return told;
}

describe('traced', () => {
  test('without a listener gives what the work gives, or throws', async () => {
    const promise = Promise.resolve(1);
    expect(traced('call', 'a', () => promise)).toBe(promise);
    expect(() =>
      traced('call', 'a', () => {
        throw new Error('no');
      }),
    ).toThrow('no');
  });

  test('tells several, each until it listens no more', () => {
    const [one, other] = [listening(), listening()];
    traced('call', 'a', () => {});
    stops.shift()?.();
    traced('call', 'b', () => {});
    expect(one).toEqual(['begin call a', 'end a']);
    expect(other).toEqual([...one, 'begin call b', 'end b']);
  });

  test('tells beginning and end of what returns, throws, resolves and rejects, and gives the same', async () => {
    const told = listening();
    expect(traced('journal', 'returns', () => 7, 'start')).toBe(7);
    expect(() =>
      traced('command', 'throws', () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    const resolves = traced('operation', 'resolves', () => first.promise, 'cell a/b/c/d');
    const rejects = traced('call', 'rejects', () => second.promise);
    expect(resolves).toBe(first.promise);
    second.reject(new Error('never'));
    await expect(rejects).rejects.toThrow('never');
    first.resolve('done');
    expect(await resolves).toBe('done');
    expect(told).toEqual([
      'begin journal returns start',
      'end returns',
      'begin command throws',
      'end throws',
      'begin operation resolves cell a/b/c/d',
      'begin call rejects',
      'end rejects',
      'end resolves',
    ]);
  });

  test('tells every operation of a plan, what was looked at before it, and nothing of params', async () => {
    const { init, apply } = await kernelOnFakes();
    await init();
    const told = listening();
    await apply(
      JSON.stringify({
        apiVersion: 'v1beta1',
        kind: 'Cell',
        metadata: { name: 'web', labels: { secret: 'hidden' } },
        spec: {},
      }),
    );
    const cell = 'cell main/default/default/web';
    for (const line of [
      'begin command read the tree',
      'begin command lock kuke test',
      'begin command settle',
      `begin command plan ${cell}`,
      `begin operation look: store.write ${cell}`,
      'begin journal sync start',
      `begin operation store.write ${cell}`,
      'begin journal sync done',
      `begin operation cgroup.create ${cell}`,
      `begin command observe ${cell}`,
      `begin command store the status ${cell}`,
    ])
      expect(told).toContain(line);
    expect(told.filter(line => line.startsWith('begin'))).toHaveLength(told.length / 2);
    expect(told.join('\n')).not.toContain('hidden');
  });
});

describe('chromeTrace', () => {
  const begun = (): { at: (ms: number) => void; trace: ReturnType<typeof chromeTrace> } => {
    let now = 0;
    const trace = chromeTrace(7, () => now, 1_700_000_000_000);
    const at = (ms: number) => {
      now = ms;
    };
    return { trace, at };
  };
  const spans = (text: string): Record<string, unknown>[] =>
    JSON.parse(`${text}]`).filter(({ ph }: { ph: string }) => ph === 'X');

  test('is a JSON array that lacks its end: complete events in microseconds', () => {
    const { trace, at } = begun();
    at(5.25);
    trace.started('start');
    const end = trace.listener('operation', 'network.attach', 'cell main/default/default/web');
    at(9);
    end();
    expect(spans(trace.end(true))).toEqual([
      { ph: 'X', pid: 7, tid: 0, cat: 'command', name: 'start', ts: 1_700_000_000_000_000, dur: 5250, args: {} },
      {
        ph: 'X',
        pid: 7,
        tid: 100,
        cat: 'operation',
        name: 'network.attach',
        ts: 1_700_000_000_005_250,
        dur: 3750,
        args: { about: 'cell main/default/default/web' },
      },
    ]);
  });

  test('what goes on at once has rows of its own, and a row that is free is taken again', () => {
    const { trace } = begun();
    const rows: [TraceCategory, string][] = [
      ['call', 'a'],
      ['call', 'b'],
      ['operation', 'c'],
    ];
    const [a, b, c] = rows.map(([category, name]) => trace.listener(category, name));
    a?.();
    const d = trace.listener('call', 'd');
    for (const end of [b, c, d]) end?.();
    expect(spans(trace.end(true)).map(({ name, tid }) => `${name} ${tid}`)).toEqual([
      'a 300',
      'b 301',
      'c 100',
      'd 300',
    ]);
  });

  test('what has not ended when the process does is marked so', () => {
    const { trace, at } = begun();
    trace.listener('call', 'Tasks/Wait');
    at(2);
    expect(spans(trace.end(true))).toMatchObject([{ name: 'Tasks/Wait', dur: 2000, args: { unfinished: true } }]);
  });

  test('a second process goes on with the array', () => {
    const [first, second] = [begun().trace, begun().trace];
    first.started('first');
    second.started('second');
    expect(spans(first.end(true) + second.end(false)).map(({ name }) => name)).toEqual(['first', 'second']);
  });
});
