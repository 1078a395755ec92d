/** Which jobs make up a test run. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Job } from './job.ts';

/** In the order in which they are run. */
export const parts = ['build', 'lint', 'types', 'unit', 'host', 'vm'] as const;
export type Part = (typeof parts)[number];

/** kuke keeps to the API that these have in common; test/fetch-containerd.sh knows where they come from. */
export const containerdVersions = ['1.6', '1.7', '2'];

// The time limit in bunfig.toml has no effect in Bun 1.4.5.
const bunTest = ['bun', 'test', '--only-failures', '--timeout', '60000'];

/** The jobs of a part, of those files whose path contains one of the filters (all, where there is none). */
export async function jobsOf(part: Part, filters: string[]): Promise<Job[]> {
  const wanted = (path: string) => filters.length === 0 || filters.some(filter => path.includes(filter));
  const files = async (pattern: string) => (await Array.fromAsync(new Bun.Glob(pattern).scan())).filter(wanted).sort();
  switch (part) {
    case 'build':
    case 'lint':
    case 'types':
      return [{ name: part, command: ['bun', 'run', part], limit: 300 }];
    case 'unit': {
      const testFiles = await files('test/unit/**/*.test.ts');
      return testFiles.length === 0
        ? []
        : [{ name: 'unit', command: [...bunTest, ...testFiles.map(file => `./${file}`)], testFiles, limit: 300 }];
    }
    case 'host':
      return [
        ...longestFirst(await files('test/host/**/*.test.ts')).flatMap(hostJobs),
        ...(await files('test/conformance/**/*.test.ts')).flatMap(conformanceJobs),
      ];
    case 'vm':
      return (await files('test/vm/jobs/*.sh')).map(file => ({
        name: `vm/${basename(file, '.sh')}`,
        command: ['test/vm/run.sh', file],
        measures: true,
        limit: 1000,
      }));
  }
}

/** Begun last, one of these would keep everybody waiting. */
const longest = [
  'test/host/crash-points/cells.test.ts',
  'test/host/kuke/rounds.test.ts',
  'test/host/crash-points/kukeond.test.ts',
  'test/host/kuke-faults/killed.test.ts',
];

/** Most of their time (two thirds and more, 16 s and more) they wait: for packets that must not come, for health checks, for podman's timers. */
const waiting = [
  'test/host/clients/podman.test.ts',
  'test/host/cni-bridge/adversary.test.ts',
  'test/host/cni-bridge/isolation.test.ts',
  'test/host/cni-bridge/published.test.ts',
  'test/host/cni-plugins/firewall.test.ts',
  'test/host/cni-plugins/portmap-traffic.test.ts',
  'test/host/daemon/logs.test.ts',
  'test/host/kuke/held-up.test.ts',
];

function longestFirst(files: string[]): string[] {
  return [...longest.filter(file => files.includes(file)), ...files.filter(file => !longest.includes(file))];
}

/** In a box of its own, which an environment and a name beside the file's tell from others of the same file. */
function boxed(file: string, variant = '', env: Record<string, string> = {}): Job {
  return {
    name: file.slice('test/'.length) + variant,
    command: ['test/box.sh', ...bunTest, `./${file}`],
    env,
    testFiles: [file],
    ...(waiting.includes(file) && { waits: true }),
    limit: 600,
  };
}

/** Each file once with the plugins that are known, and once with ours. */
function conformanceJobs(file: string): Job[] {
  return ['reference', 'kuke'].map(plugins => boxed(file, ` on ${plugins}`, { KUKE_TEST_CNI: plugins }));
}

/**
 * A file that imports test/host/containerd.ts is run on each version, unless it says `// containerd: once, since ...`, or
 * `// containerd: the oldest and the newest, since ...`; one that says
 * `// through kukeond, too` once more, with a daemon that runs its commands (`KUKE_NO_DAEMON= test/box.sh bun test FILE`).
 */
function hostJobs(file: string): Job[] {
  const text = readFileSync(file, 'utf8');
  const [, on] = /^\/\/ containerd: (once|the oldest and the newest), since /m.exec(text) ?? [];
  const onSome = on !== 'once' && imports(file, 'test/host/containerd.ts');
  const versions = containerdVersions.filter((_, index, { length }) => on === undefined || index % (length - 1) === 0);
  const byThemselves = onSome
    ? versions.map(version => boxed(file, ` on containerd ${version}`, { KUKE_TEST_CONTAINERD: version }))
    : [boxed(file)];
  const isThrough = /^\/\/ through kukeond, too$/m.test(text);
  return isThrough ? [...byThemselves, boxed(file, ' through kukeond', { KUKE_NO_DAEMON: '' })] : byThemselves;
}

const transpiler = new Bun.Transpiler({ loader: 'ts' });

/** Whether a file of the tree needs another at run time, itself or through what it imports. */
function imports(file: string, wanted: string, seen = new Set<string>()): boolean {
  if (file === wanted) return true;
  if (seen.has(file) || !file.endsWith('.ts') || !existsSync(file)) return false;
  seen.add(file);
  const relative = transpiler.scanImports(readFileSync(file)).filter(({ path }) => path.startsWith('.'));
  return relative.some(({ path }) => imports(join(dirname(file), path), wanted, seen));
}
