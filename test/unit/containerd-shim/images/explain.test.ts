import { expect, test } from 'bun:test';
import { explain } from '../../../../plugins/containerd-shim/images/explain.ts';
import { expectCommand, HOSTILE } from '../../../suites/contract.ts';

const pull = (more: object) => explain('pull', { namespace: 'kukeon-main', name: 'nginx', ...more });

test('the pull that a person would type: the name in full, and secrets in their files', () => {
  const hosts = '--hosts-dir /etc/containerd/certs.d';
  expect(pull({})).toBe(`ctr -n kukeon-main images pull ${hosts} docker.io/library/nginx:latest`);
  expect(pull({ platform: 'linux/arm64', plainHttp: true })).toBe(
    `ctr -n kukeon-main images pull ${hosts} --plain-http --platform linux/arm64 docker.io/library/nginx:latest`,
  );
  const login = { server: 'registry-1.docker.io', username: 'me', passwordFile: '/etc/hub' };
  const other = { server: 'registry.example:5000', identityTokenFile: '/etc/token' };
  const credentials = [other, login];
  expect(pull({ credentials })).toContain(` --user me:"$(head -n 1 /etc/hub)" docker.io/`);
  expect(pull({ credentials, name: 'registry.example:5000/a' })).toContain(' --refresh "$(head -n 1 /etc/token)" ');
  expect(pull({ credentials, name: 'quay.io/a' })).not.toContain('head');
});

test('what it quotes is one word to a shell', () => {
  expectCommand(pull({ credentials: [{ server: 'docker.io', username: HOSTILE, passwordFile: `/${HOSTILE}` }] }));
});
