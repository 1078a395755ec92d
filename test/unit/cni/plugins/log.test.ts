/** The log of a plugin's steps: what is written, where, and that it never fails the verb. */
import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PluginError } from '../../../../src/cni/plugins/plugin-error.ts';
import { openLogFile } from '../../../../src/host/log-file.ts';
import { ask, CONFIG, recordingPlugin, refused } from './recording-plugin.ts';

let folder: string;
let logFile: string;
const said = spyOn(console, 'error').mockImplementation(() => {});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'));
  logFile = join(folder, 'log');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  said.mockClear();
  delete process.env.KUKE_CNI_LOG;
});

const lines = (path = logFile): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');
/** Without the time and the duration. */
const shapes = (): string[] =>
  lines().map(line => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, '').replace(/took=\d+\.\d\dms/, 'took=T'));

const stepping = recordingPlugin(({ trace }) => {
  trace('ip link add veth1 type veth', () => 1);
  try {
    trace('ip link set x up', () => {
      throw new Error('No such device (ENODEV)');
    });
  } catch {}
});

const SUBJECT = 'ADD static network=net container=c1 ifname=eth0 netns=/run/netns/x';

describe('what is written', () => {
  test('a line a step, and one at the end', async () => {
    await ask({ config: { ...CONFIG, logFile } }, stepping);
    expect(shapes()).toEqual([
      `${SUBJECT} took=T result=ok $ ip link add veth1 type veth`,
      `${SUBJECT} took=T result="No such device (ENODEV)" $ ip link set x up`,
      `${SUBJECT} took=T result=ok`,
    ]);
    expect(statSync(logFile).mode & 0o777).toBe(0o600);
    await ask({ config: { ...CONFIG, logFile } }, stepping);
    expect(lines()).toHaveLength(6);
  });

  test('what the environment says wins', async () => {
    process.env.KUKE_CNI_LOG = join(folder, 'mine');
    await ask({ config: { ...CONFIG, logFile } }, stepping);
    expect(lines(process.env.KUKE_CNI_LOG)).toHaveLength(3);
    expect(() => readFileSync(logFile)).toThrow('ENOENT');
  });

  test.each([
    ['info', 1],
    ['INFO', 1],
    ['error', 0],
    ['debug', 3],
    [null, 3],
    ['', 3],
  ])('logLevel %s: %d lines of a verb that goes well', async (logLevel, count) => {
    writeFileSync(logFile, '');
    await ask({ config: { ...CONFIG, logFile, logLevel } }, stepping);
    expect(lines().filter(Boolean)).toHaveLength(count);
  });

  test.each([
    [{ logLevel: 'trace' }, 'logLevel: must be one of error, info, debug, not "trace"'],
    [{ logLevel: 7 }, 'logLevel: must be one of error, info, debug, not 7'],
    [{ logFile: 7 }, 'logFile: must be a path, not 7'],
  ])('%j is refused, but takes nothing from a DEL', async (wrong, msg) => {
    const recorded = recordingPlugin();
    const config = { ...CONFIG, logFile, ...wrong };
    expect(await refused({ config }, recorded)).toMatchObject({ code: 7, msg });
    expect(recorded.calls).toEqual([]);
    expect(await ask({ config, env: { CNI_COMMAND: 'DEL' } }, recorded)).toMatchObject({ status: 0 });
  });

  test('a verb that fails, with its code, also one that is refused', async () => {
    const config = { ...CONFIG, logFile, logLevel: 'error' };
    const failing = recordingPlugin(() => {
      throw new PluginError(100, 'the moon is full', 'again');
    });
    await ask({ config }, failing);
    await ask({ config: { ...config, name: 'a\nb' } });
    expect(shapes()).toEqual([
      `${SUBJECT} took=T result="the moon is full; again" code=100`,
      expect.stringMatching(/^ADD static network="a\\nb" container=c1 .* result="name: may .*" code=7$/),
    ]);
  });

  test('the end of a step that takes a while', async () => {
    const waiting = recordingPlugin(async ({ trace }) => {
      await trace('sleep 0', () => Bun.sleep(1));
      await trace('false', () => Promise.reject(new Error('exit 1'))).catch(() => {});
    });
    await ask({ config: { ...CONFIG, logFile } }, waiting);
    expect(shapes()).toEqual([
      `${SUBJECT} took=T result=ok $ sleep 0`,
      `${SUBJECT} took=T result="exit 1" $ false`,
      `${SUBJECT} took=T result=ok`,
    ]);
  });

  test('a command of several lines, as one that does the same', async () => {
    const script = `cat > "${folder}/it's \\\\ here" <<'END'\n\tone\n\u{7f}två\nEND`;
    await ask(
      { config: { ...CONFIG, logFile } },
      recordingPlugin(({ trace }) => trace(script, () => {})),
    );
    expect(lines()).toHaveLength(2);
    const typed = lines()[0]?.split(' $ ')[1] ?? '';
    expect(Bun.spawnSync(['bash', '-c', typed]).exitCode).toBe(0);
    expect(readFileSync(`${folder}/it's \\ here`, 'utf8')).toBe('\tone\n\u{7f}två\n');
  });
});

describe('a log that cannot be written', () => {
  const fails = async (path: string) => {
    const recorded = recordingPlugin(({ trace }) => trace('true', () => {}));
    expect(await ask({ config: { ...CONFIG, logFile: path } }, recorded)).toMatchObject({ status: 0 });
    expect(recorded.calls).toHaveLength(1);
    expect(() => openLogFile(path)).toThrow(/^(?:open|lstat) /);
  };

  test('a relative path', () => fails('log'));
  test('a folder', () => fails(folder));
  test('in a folder that is not there', () => fails(join(folder, 'nowhere/log')));

  test('a link in its place is not followed', async () => {
    writeFileSync(join(folder, 'target'), '');
    symlinkSync(join(folder, 'target'), logFile);
    await fails(logFile);
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('');
  });

  test('a hard link in its place is not written to', async () => {
    writeFileSync(join(folder, 'target'), '');
    linkSync(join(folder, 'target'), logFile);
    await fails(logFile);
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('');
  });

  test('a pipe is not waited for', async () => {
    Bun.spawnSync(['mkfifo', logFile]);
    await fails(logFile);
  });

  test('a link to a folder, in a folder that all can write to', async () => {
    mkdirSync(join(folder, 'shared'));
    mkdirSync(join(folder, 'real'));
    chmodSync(join(folder, 'shared'), 0o1777);
    symlinkSync(join(folder, 'real'), join(folder, 'shared/link'));
    await fails(join(folder, 'shared/link/log'));
    expect(() => statSync(join(folder, 'real/log'))).toThrow('ENOENT');
  });

  test('below a folder in which all can rename', async () => {
    mkdirSync(join(folder, 'shared/mine'), { recursive: true });
    chmodSync(join(folder, 'shared'), 0o777);
    await fails(join(folder, 'shared/mine/log'));
  });
});

test('links of the administrator are followed', async () => {
  mkdirSync(join(folder, 'real'));
  symlinkSync(join(folder, 'real'), join(folder, 'link'));
  await ask({ config: { ...CONFIG, logFile: join(folder, 'link/log') } });
  expect(lines(join(folder, 'real/log'))).toHaveLength(1);
});
