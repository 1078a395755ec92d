import { describe, expect, test } from 'bun:test';
import { bindMount, oneContainer } from '../../../../src/cli/run/one-container.ts';

const ref = { kind: 'Cell', path: ['main', 'default', 'blog', 'web'] };
const none = { command: [], env: [], volume: [], publish: [] };

describe('the manifest of a run', () => {
  test('says nothing but what was asked for', () => {
    expect(oneContainer(ref, { realmId: 'main' }, { ...none, image: 'nginx' })).toEqual({
      apiVersion: 'v1beta1',
      kind: 'Cell',
      metadata: { name: 'web' },
      spec: { realmId: 'main', containers: [{ id: 'main', image: 'nginx' }] },
    });
  });

  test('has each flag as its field', () => {
    const flags = {
      image: 'nginx',
      command: ['-g', 'daemon off;'],
      env: ['A=b'],
      volume: ['/a:/b:ro'],
      publish: ['8080:80'],
      workdir: '/srv',
      user: 'nobody',
    };
    expect(oneContainer(ref, {}, flags).spec.containers).toEqual([
      {
        id: 'main',
        image: 'nginx',
        args: ['-g', 'daemon off;'],
        env: ['A=b'],
        volumes: [{ kind: 'bind', source: '/a', target: '/b', readOnly: true }],
        ports: ['8080:80'],
        workingDir: '/srv',
        user: 'nobody',
      },
    ]);
    expect(() => oneContainer(ref, {}, { ...none, image: 'x', env: ['A'] })).toThrow('`A` is not KEY=VALUE');
  });
});

describe('--volume', () => {
  test.each([
    ['/a:/b', { kind: 'bind', source: '/a', target: '/b' }],
    ['/a/../c:/b:rw', { kind: 'bind', source: '/c', target: '/b' }],
    ['.:/b', { kind: 'bind', source: process.cwd(), target: '/b' }],
  ])('%s', (text, mount) => {
    expect(bindMount(text)).toEqual(mount);
  });

  test.each([
    ['/a', 'is not SRC:DST'],
    ['/a:/b:x', 'is not SRC:DST'],
    ['/a:/b:ro:x', 'is not SRC:DST'],
    ['data:/b', '`data` is not a path'],
    ['.hidden:/b', '`.hidden` is not a path'],
  ])('%s is refused', (text, why) => {
    expect(() => bindMount(text)).toThrow(why);
  });
});
