import { expect, test } from 'bun:test';
import {
  formatPlatform,
  hostPlatform,
  mostSuitable,
  suitability,
} from '../../../../plugins/containerd-shim/images/platform.ts';
import { architecture } from './archives.ts';

test('this machine, as images call it', () => {
  const machine = Bun.spawnSync(['uname', '-m']).stdout.toString().trim();
  expect(hostPlatform).toBe(`linux/${machine.replace('x86_64', 'amd64').replace('aarch64', 'arm64')}`);
  expect(formatPlatform({ os: 'linux', architecture: 'arm', variant: 'v7' })).toBe('linux/arm/v7');
  expect(formatPlatform({ os: 'linux', architecture: 'amd64', variant: '' })).toBe('linux/amd64');
});

test('what runs here', () => {
  expect(suitability({ os: 'linux', architecture })).toBeDefined();
  for (const platform of [
    { os: 'windows', architecture },
    { os: 'linux', architecture: 's390x' },
    { os: 'unknown', architecture: 'unknown' },
    { os: 'linux', architecture, variant: 'v99' },
    { os: '', architecture: '' },
  ]) {
    expect(suitability(platform)).toBeUndefined();
  }
});

test('the best of several, and the first of equals', () => {
  const platforms = [
    { os: 'linux', architecture: 's390x' },
    { os: 'linux', architecture, variant: architecture === 'arm64' ? '' : 'v1' },
    { os: 'linux', architecture, variant: architecture === 'arm64' ? 'v8' : '' },
    { os: 'linux', architecture, variant: architecture === 'arm64' ? 'v8' : '' },
  ];
  expect(mostSuitable(platforms, platform => platform)).toBe(platforms[2] as never);
  expect(mostSuitable(platforms.slice(0, 2), platform => platform)).toBe(platforms[1] as never);
  expect(mostSuitable(platforms.slice(0, 1), platform => platform)).toBeUndefined();
});
