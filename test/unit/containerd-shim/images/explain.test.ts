import { expect, test } from 'bun:test';
import { explain, explainChange } from '../../../../plugins/containerd-shim/images/explain.ts';
import { expectCommand, HOSTILE } from '../../../suites/contract.ts';

const pull = (more: object) => explain('pull', { namespace: 'kukeon-main', name: 'nginx', ...more });

test('the pull that a person would type: the name in full, and secrets in their files', () => {
  const hosts = '--hosts-dir /etc/containerd/certs.d';
  const own = 'ctr -n kukeon-main images label docker.io/library/nginx:latest kukeon.io/instance="$KUKE_INSTANCE"';
  expect(pull({})).toBe(`ctr -n kukeon-main images pull ${hosts} docker.io/library/nginx:latest\n${own}`);
  expect(pull({ platform: 'linux/arm64', plainHttp: true })).toStartWith(
    `ctr -n kukeon-main images pull ${hosts} --plain-http --platform linux/arm64 docker.io/library/nginx:latest`,
  );
  const login = { server: 'registry-1.docker.io', username: 'me', passwordFile: '/etc/hub' };
  const other = { server: 'registry.example:5000', identityTokenFile: '/etc/token' };
  const credentials = [other, login];
  expect(pull({ credentials })).toContain(` --user me:"$(head -n 1 /etc/hub)" docker.io/`);
  expect(pull({ credentials, name: 'registry.example:5000/a' })).toContain(' --refresh "$(head -n 1 /etc/token)" ');
  expect(pull({ credentials, name: 'quay.io/a' })).not.toContain('head');
});

test('what is loaded, tagged and removed', () => {
  const namespace = 'kukeon-main';
  const digest = `sha256:${'a'.repeat(64)}`;
  expect(explainChange('load', { namespace, file: '-odd.tar' })).toBe('ctr -n kukeon-main images import ./-odd.tar');
  expect(explainChange('own', { namespace, names: ['a:1', digest] })).toBe(
    'ctr -n kukeon-main images label a:1 kukeon.io/instance="$KUKE_INSTANCE"',
  );
  expect(explainChange('tag', { namespace, source: digest, name: 'b:1' })).toBe(
    `ctr -n kukeon-main images tag --force ${digest} b:1\n` +
      'ctr -n kukeon-main images label b:1 kukeon.io/instance="$KUKE_INSTANCE"',
  );
  expect(explainChange('remove', { namespace, names: ['a:1', 'b:1'] })).toBe(
    'ctr -n kukeon-main images rm --sync a:1 b:1',
  );
  for (const change of ['load', 'own', 'tag', 'remove'] as const) {
    const hostile = { namespace: HOSTILE, file: HOSTILE, names: [HOSTILE], source: HOSTILE, name: HOSTILE };
    expectCommand(explainChange(change, hostile));
  }
});

test('what it quotes is one word to a shell', () => {
  expectCommand(pull({ credentials: [{ server: 'docker.io', username: HOSTILE, passwordFile: `/${HOSTILE}` }] }));
});
