import { describe, expect, test } from 'bun:test';
import { execProcess } from '../../../../plugins/containerd-shim/runtime/exec-process.ts';

const own = {
  user: { uid: 1000, gid: 1000, additionalGids: [1000, 10] },
  args: ['/bin/server'],
  env: ['PATH=/bin', 'HOSTNAME=cell', 'HOME=/home/user', 'A=own'],
  cwd: '/srv',
  capabilities: { bounding: ['CAP_CHOWN'] },
  noNewPrivileges: true,
};
const spec = { process: own, hostname: 'cell' };
const root = { user: { uid: 0, gid: 0, additionalGids: [0], home: '/root' }, home: '/home/user' };

describe('the process of an exec', () => {
  test("is the container's own with another command", () => {
    expect(execProcess(spec, { command: ['ls', '-l'], env: [] })).toEqual({
      ...own,
      args: ['ls', '-l'],
      terminal: false,
    });
  });

  test('or what was asked for; the environment is added to, and what is given last wins', () => {
    const asked = { command: ['sh'], env: ['A=asked', 'B=1', 'B=2'], workingDir: '/tmp/../etc' };
    const made = execProcess(spec, asked, root);
    expect(made).toMatchObject({ cwd: '/etc', user: { uid: 0, gid: 0, additionalGids: [0] }, noNewPrivileges: true });
    expect(made.env.toSorted()).toEqual(['A=asked', 'B=2', 'HOME=/root', 'HOSTNAME=cell', 'PATH=/bin']);
  });

  test('another user has a home of their own, unless somebody has said which', () => {
    const homed = { ...spec, process: { ...own, env: ['HOME=/data'] } };
    expect(execProcess(homed, { command: ['sh'], env: [] }, root).env).toContain('HOME=/data');
    expect(execProcess(spec, { command: ['sh'], env: ['HOME=/x'] }, root).env).toContain('HOME=/x');
  });

  test('a terminal has a size, and a type where the container has none', () => {
    const terminal = { columns: 90, rows: 20 };
    const made = execProcess(spec, { command: ['sh'], env: [], terminal });
    expect(made).toMatchObject({ terminal: true, consoleSize: { width: 90, height: 20 } });
    expect(made.env).toContain('TERM=xterm');
    expect(execProcess(spec, { command: ['sh'], env: ['TERM=vt100'], terminal }).env).toContain('TERM=vt100');
    const typed = { ...spec, process: { ...own, env: ['TERM=linux'] } };
    expect(execProcess(typed, { command: ['sh'], env: [], terminal }).env).toContain('TERM=linux');
  });

  test('a relative folder, and an entry that is no KEY=VALUE, are refused', () => {
    expect(() => execProcess(spec, { command: ['sh'], env: [], workingDir: 'x' })).toThrow('is not an absolute path');
    expect(() => execProcess(spec, { command: ['sh'], env: ['X'] })).toThrow('is not KEY=VALUE');
  });
});
