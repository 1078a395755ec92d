import { describe, expect, test } from 'bun:test';
import { processArgs, processCwd, processEnv } from '../../../../plugins/containerd-shim/oci/process.ts';

const image = { name: 'docker.io/library/web:1', entrypoint: ['/entry'], cmd: ['serve', '-v'] };

describe("arguments follow Kubernetes' table", () => {
  test.each([
    [{}, ['/entry', 'serve', '-v']],
    [{ command: ['/bin/sh'] }, ['/bin/sh']],
    [{ args: ['stop'] }, ['/entry', 'stop']],
    [{ command: ['/bin/sh'], args: ['-c', 'true'] }, ['/bin/sh', '-c', 'true']],
    [{ command: [], args: [] }, ['/entry', 'serve', '-v']],
  ])('%j', (config, args) => {
    expect(processArgs(config, image)).toEqual(args);
  });

  test('an image without a command needs one', () => {
    const bare = { name: 'docker.io/library/bare:1', entrypoint: [], cmd: [] };
    expect(() => processArgs({}, bare)).toThrow(
      expect.objectContaining({
        code: 'CommandNotFound',
        message: expect.stringContaining('docker.io/library/bare:1'),
      }),
    );
    expect(processArgs({ args: ['/bin/true'] }, bare)).toEqual(['/bin/true']);
  });
});

describe('environment', () => {
  const basis = { hostname: 'web', home: '/home/app' };

  test('is that of Docker when nobody says anything', () => {
    expect(processEnv({ defaultEnv: [], env: [] }, { env: [] }, basis)).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOSTNAME=web',
      'HOME=/home/app',
    ]);
  });

  test('has a TERM where there is a terminal, unless the image or somebody else says which', () => {
    const terminal = { ...basis, hasTerminal: true };
    expect(processEnv({ defaultEnv: [], env: [] }, { env: [] }, terminal)).toContain('TERM=xterm');
    expect(processEnv({ defaultEnv: [], env: [] }, { env: ['TERM=linux'] }, terminal)).toContain('TERM=linux');
    expect(processEnv({ defaultEnv: [], env: ['TERM=dumb'] }, { env: [] }, terminal)).toContain('TERM=dumb');
  });

  test('image, then defaults, then the user: the last one wins', () => {
    const env = processEnv(
      { defaultEnv: ['B=default', 'C=default'], env: ['C=user', 'HOME=/root', 'C=later'] },
      { env: ['A=image', 'B=image', 'C=image', 'PATH=/opt/bin'] },
      basis,
    );
    expect(env).toEqual(['PATH=/opt/bin', 'HOSTNAME=web', 'HOME=/root', 'A=image', 'B=default', 'C=later']);
  });

  test('values keep their equals signs and may be empty', () => {
    const env = processEnv({ defaultEnv: [], env: ['A=b=c', 'D='] }, { env: [] }, basis);
    expect(env).toContain('A=b=c');
    expect(env).toContain('D=');
  });

  test("what is no pair is refused in the manifest and passed over in the image's", () => {
    expect(processEnv({ defaultEnv: [], env: [] }, { env: ['NONSENSE', '=x'] }, basis)).toHaveLength(3);
    for (const entry of ['NONSENSE', '=x', 'A=\0']) {
      expect(() => processEnv({ defaultEnv: [], env: [entry] }, { env: [] }, basis)).toThrow(
        expect.objectContaining({ code: 'InvalidManifest', details: expect.objectContaining({ field: 'env' }) }),
      );
    }
  });
});

test('the working directory is ours, the image’s, or the root', () => {
  expect(processCwd({ workingDir: '/srv/./www/../app' }, { workingDir: '/image' })).toBe('/srv/app');
  expect(processCwd({}, { workingDir: 'relative' })).toBe('/relative');
  expect(processCwd({}, { workingDir: '' })).toBe('/');
  expect(() => processCwd({ workingDir: 'srv' }, { workingDir: '' })).toThrow(
    expect.objectContaining({ code: 'InvalidManifest', details: expect.objectContaining({ field: 'workingDir' }) }),
  );
});
