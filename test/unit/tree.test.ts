/** The rules of design and style that can be read off the tree: who imports whom, how large a file is, what it is called. */
import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const top = join(import.meta.dir, '../..');
const sources = [...new Bun.Glob('{src,plugins,test,bench,examples}/**/*.ts').scanSync(top), 'build.ts']
  .filter(file => !file.includes('node_modules/') && existsSync(join(top, file)))
  .sort();
const scripts = [...new Bun.Glob('{scripts,test,.ci}/**/*').scanSync({ cwd: top, dot: true })].filter(
  file => !basename(file).includes('.') || file.endsWith('.sh'),
);

const read = (file: string) => readFileSync(join(top, file), 'utf8');
/** Without comments, so that an example in one is no import. */
const code = (file: string) =>
  read(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');

interface Import {
  from: string;
  /** Path from the top of the tree, or the specifier of a package. */
  to: string;
  /** By `import()`, or of types only: costs nothing at start-up. */
  free: boolean;
}

function importsOf(file: string, text = code(file)): Import[] {
  const resolved = (specifier: string) => (specifier.startsWith('.') ? join(dirname(file), specifier) : specifier);
  const found = text.matchAll(
    /\b(?:(?:import|export)\s+(type\b)?[^'";]*?\bfrom\s*|import\s+)(['"])([^'"]+)\2|\bimport\(\s*['"`]([^'"`]+)['"`]/g,
  );
  return [...found].map(([, type, , specifier, lazy]) => ({
    from: file,
    to: resolved(specifier ?? lazy ?? ''),
    free: type !== undefined || lazy !== undefined,
  }));
}

/** An example is a package of its own, with dependencies of its own. */
function dependenciesOf(file: string): string[] {
  const [example] = /^examples\/[^/]+\//.exec(file) ?? [''];
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(read(`${example}package.json`));
  return Object.keys(dependencies);
}
const isBuiltIn = (to: string) => /^(?:node:|bun$|bun:)/.test(to);
const isDependency = (from: string, to: string) =>
  dependenciesOf(from).some(name => to === name || to.startsWith(`${name}/`));
const isPackage = (from: string, to: string) => isBuiltIn(to) || isDependency(from, to);

/** What the files of a folder may import, besides packages and their own folder. The first that matches counts. */
const rules: { files: RegExp; may: RegExp[]; why: string }[] = [
  { files: /^src\/host\//, may: [], why: 'host speaks Linux and knows no kuke word' },
  { files: /^src\/cni\//, may: [/^src\/host\//], why: 'cni knows the host only' },
  { files: /^src\/registry\//, may: [], why: 'registry speaks the distribution protocol and knows no kuke word' },
  { files: /^src\/kernel\//, may: [], why: 'the kernel knows no kind and no backend' },
  {
    files: /^src\/daemon\/routes\//,
    may: [/^src\/(?:kernel|host|daemon)\//, /^src\/cli\/cell-process\/containers\.ts$/],
    why: 'routes know the kernel, and as the command line does the containers of cells',
  },
  { files: /^src\/daemon\//, may: [/^src\/kernel\//, /^src\/host\//], why: 'the daemon knows the kernel, and Linux' },
  {
    files: /^src\/client\//,
    may: [/^src\/(?:kernel|daemon)\//, /^plugins\//],
    why: 'the client takes types alone from the kinds, the kernel and the daemon',
  },
  {
    files: /^src\/cli\/open-kernel\.ts$/,
    may: [/^src\/kernel\//, /^src\/(?:builtins|plugin)\.ts$/],
    why: 'the kernel and its plugins meet here, through the list of built-ins and the SDK',
  },
  {
    files: /^src\/cli\//,
    may: [/^src\/kernel\//, /^src\/daemon\/console\//, /^package\.json$/],
    why: 'the command line knows the kernel, and consoles of the daemon',
  },
  { files: /^src\/plugin\.ts$/, may: [/^src\/kernel\//], why: 'kuke/plugin is a selection of the kernel' },
  {
    files: /^src\/builtins\.ts$/,
    may: [/^plugins\//, /^src\/kernel\//],
    why: 'the generated list of built-in plugins',
  },
  { files: /^src\/main\.ts$/, may: [/^src\//, /^package\.json$/], why: 'main picks a face' },
  {
    files: /^plugins\/(?:realm|space|stack|cell|container)\//,
    may: [/^kuke\/plugin$/],
    why: 'a kind knows the SDK only',
  },
  {
    files: /^plugins\//,
    may: [/^kuke\/plugin$/, /^src\/host\//, /^src\/cni\//, /^src\/registry\//],
    why: 'plugins come in by the door of third parties, and never know each other',
  },
  { files: /^examples\//, may: [/^kuke\/plugin$/], why: 'an example is a third party’s' },
];

function ownFolder(file: string): string {
  const depth = /^(?:plugins|examples)\//.test(file) || /^src\/[^/]+\//.test(file) ? 2 : 0;
  return depth === 0 ? file : `${file.split('/').slice(0, depth).join('/')}/`;
}

function offences(imports: Import[]): string[] {
  return imports.flatMap(({ from, to }) => {
    const rule = rules.find(({ files }) => files.test(from));
    const allowed =
      rule === undefined ||
      isPackage(from, to) ||
      to.startsWith(ownFolder(from)) ||
      rule.may.some(target => target.test(to));
    return allowed ? [] : [`${from} imports ${to}: ${rule.why}`];
  });
}

describe('imports', () => {
  const product = sources.filter(file => /^(?:src|plugins|examples)\//.test(file));

  test('each folder imports only what it may know', () => {
    expect(offences(product.flatMap(file => importsOf(file)))).toEqual([]);
  });

  test('every file of src and plugins falls under a rule', () => {
    expect(product.filter(file => !rules.some(({ files }) => files.test(file)))).toEqual([]);
  });

  test('main loads nothing of ours before it knows which face is asked for', () => {
    const eager = sources
      .filter(file => file === 'src/main.ts')
      .flatMap(file => importsOf(file))
      .filter(({ to, free }) => !free && !isBuiltIn(to));
    expect(eager).toEqual([]);
  });

  test.each([
    ["import { a } from '../kernel/plan.ts'", 'src/host/netns.ts'],
    ["import type { A } from '../kernel/plan.ts'", 'src/cni/chain.ts'],
    ["export * from '../../plugins/cell/index.ts'", 'src/kernel/kinds.ts'],
    ["import '../cell/index.ts'", 'plugins/container/index.ts'],
    ["import {\n  type A,\n  b,\n} from '../../src/kernel/plan.ts'", 'plugins/cell/index.ts'],
    ["const { a } = await import('../cgroup-v2/index.ts')", 'plugins/cell/index.ts'],
    ["import type { A } from '../../src/plugin.ts'", 'plugins/cell/index.ts'],
    ["import { x } from 'typescript'", 'src/kernel/kinds.ts'],
    ["import x from 'just-capitalize'", 'src/kernel/kinds.ts'],
    ["import { x } from 'yaml'", 'examples/plugin-greeting/index.ts'],
    ["import { x } from '../../src/plugin.ts'", 'examples/plugin-greeting/index.ts'],
    ["import { x } from '../../test/fakes/host.ts'", 'src/cli/get.ts'],
    ["import { x } from '../daemon/server.ts'", 'src/cli/get.ts'],
    ["import { x } from '../kernel/errors.ts'", 'src/registry/errors.ts'],
    ["import { x } from '../registry/index.ts'", 'src/cli/image-pull.ts'],
  ])('would notice: %s in %s', (text, file) => {
    expect(offences(importsOf(file, text))).toHaveLength(1);
  });

  test.each([
    [
      "import { a } from 'kuke/plugin';\nimport { b } from '../../src/host/mount.ts';\nimport { c } from './d.ts'",
      'plugins/cni-bridge/index.ts',
    ],
    ["import * as v from 'valibot';\nimport { readFileSync } from 'node:fs'", 'src/kernel/kinds.ts'],
  ])('would allow: %s in %s', (text, file) => {
    expect(importsOf(file, text).length).toBeGreaterThan(1);
    expect(offences(importsOf(file, text))).toEqual([]);
  });
});

describe('files', () => {
  const all = [...sources, ...scripts];

  test('none is over 450 lines', () => {
    expect(all.filter(file => file !== 'src/builtins.ts' && read(file).split('\n').length > 451)).toEqual([]);
  });

  test('each is called after what it is about', () => {
    expect(
      all.filter(file => /(?:^|[-_.])(?:utils?|helpers?|common|managers?|misc)(?:[-_.]|$)/i.test(basename(file))),
    ).toEqual([]);
  });

  test.each([
    ['an untyped value', /[:<]\s*any\b|\bas\s+any\b/],
    ['a switched-off check', /@ts-(?:ignore|nocheck)/],
    ['a test that is left out', /\b(?:test|it|describe)\.(?:skip|todo|only|if|skipIf|todoIf|failing)\b/],
  ])('none holds %s', (_, pattern) => {
    const where = sources.flatMap(file =>
      // The directives of the type checker are comments themselves.
      (pattern.source.startsWith('@') ? read(file) : code(file))
        .split('\n')
        .filter(line => pattern.test(line))
        .map(line => `${file}: ${line.trim()}`),
    );
    expect(where).toEqual([]);
  });
});
