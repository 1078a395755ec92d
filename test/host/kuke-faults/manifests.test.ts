// containerd: once, since none of what is refused here reaches it.
/** Manifests that are refused: each with the place of the fault, and nothing of them is applied. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { IMAGE } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { run, tryApply } from '../kuke/kuke.ts';
import type { Inventory } from '../observe/inventory.ts';
import { expectSame, failure } from './failures.ts';
import { warmHost } from './warm-host.ts';

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  before = await footprint();
});
afterAll(() => containerd.stop());

const leavesNothing = () =>
  test('and nothing of all this was applied', async () => {
    await expectSame(before);
  });

const refused = async (text: string, code: number, ...says: (string | RegExp)[]) =>
  failure(await tryApply(text), code, ...says);

const head = 'apiVersion: v1beta1\nkind: Cell\nmetadata:\n  name: web\n';
const spec = (...lines: string[]) => `${head}spec:\n${lines.map(line => `  ${line}\n`).join('')}`;
const containers = (...lines: string[]) => spec('containers:', ...lines.map(line => `  ${line}`));
const named = (name: string, kind = 'Cell') =>
  `apiVersion: v1beta1\nkind: ${kind}\nmetadata: {name: ${JSON.stringify(name)}}\n`;
const inScope = (scope: string, kind = 'Cell') => `${named('web', kind)}spec: {${scope}}\n`;

describe('YAML', () => {
  test.each<[string, string, string]>([
    ['a list that is not closed', 'kind: Cell\nmetadata:\n  name: [web\nspec: {}\n', 'stdin:4:1: not valid YAML'],
    ['a tab', 'kind: Cell\nmetadata:\n\tname: web\n', 'stdin:3:1: not valid YAML: Tabs are not allowed'],
    ['a key twice', 'kind: Cell\nkind: Cell\n', 'stdin:2:1: not valid YAML: Map keys must be unique'],
    ['an alias in itself', 'a: &a [*a]\n', 'stdin:1:1: not valid YAML: an alias stands within what it names'],
    [
      'aliases that multiply',
      `a0: &a0 [x,x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i},*a${i},*a${i}]\n`).join('')}`,
      'stdin:1:1: not valid YAML: Excessive alias count',
    ],
    ['a tag', 'kind: !!binary aGVsbG8=\n', 'stdin:1:7: not valid YAML'],
    ['the second document', `${named('web')}---\nkind: [\n`, 'stdin:6:1: not valid YAML'],
    ['brackets 50,000 deep', '['.repeat(50_000), 'not valid YAML: nested too deeply'],
  ])('%s', async (_, text, says) => {
    await refused(text, 2, says);
  });

  leavesNothing();
});

describe('fields', () => {
  test.each<[string, string, string]>([
    [
      'misspelt',
      containers('- {id: a, image: x}', '- id: b', '  imgae: x'),
      'stdin:9:7: spec.containers[1].imgae: unknown field; did you mean `image`?',
    ],
    ['misspelt at the top', `${head}spce: {}\n`, 'stdin:5:1: spce: unknown field; did you mean `spec`?'],
    ['unlike any other', spec('zzz: 1'), 'stdin:6:3: spec.zzz: unknown field'],
    ['of JavaScript', spec('constructor: 1'), 'stdin:6:3: spec.constructor: '],
    ['a kind nearly right', named('web', 'Cel'), 'stdin:2:1: unknown kind `Cel`; did you mean `Cell`? (known kinds: '],
    ['no kind', 'apiVersion: v1beta1\nmetadata: {name: web}\n', 'stdin:1:1: kind: is missing'],
    ['an embedded kind', named('web', 'Container'), 'stdin:2:1: a Container is declared within its Cell'],
    ['another apiVersion', head.replace('v1beta1', 'v1'), 'stdin:1:1: apiVersion: must be "v1beta1", not "v1"'],
    ['no apiVersion', 'kind: Cell\nmetadata: {name: web}\n', 'stdin:1:1: apiVersion: is missing'],
    ['no metadata', 'apiVersion: v1beta1\nkind: Cell\n', 'metadata: is missing'],
    ['no map', 'web\n', 'stdin:1:1: a manifest is a map with apiVersion, kind, metadata and spec'],
    ['a spec that is a number', `${head}spec: 5\n`, 'stdin:5:1: spec: must be a map, not 5'],
    ['a list that is a map', spec('containers: {}'), 'stdin:6:3: spec.containers: must be a list, not a map'],
    [
      'an id that is a number',
      containers('- id: 5', '  image: x'),
      'stdin:7:7: spec.containers[0].id: must be a string, not 5',
    ],
    [
      'a switch that is a string',
      containers('- id: a', '  image: x', '  root: "yes"'),
      'stdin:9:7: spec.containers[0].root: must be true or false, not "yes"',
    ],
    [
      'a command that is a number',
      containers('- {id: a, image: x, command: 5}'),
      'spec.containers[0].command: must be a string or a list, not 5',
    ],
    [
      'a command that is empty',
      containers('- {id: a, image: x, command: []}'),
      'spec.containers[0].command: must not be empty',
    ],
    [
      'a NUL in a command',
      containers('- {id: a, image: x, command: ["a\\0b"]}'),
      'spec.containers[0].command[0]: must not contain a NUL character',
    ],
    [
      'an env without =',
      containers('- {id: a, image: x, env: [HOME]}'),
      'spec.containers[0].env[0]: must be KEY=VALUE',
    ],
    [
      'a path that is relative',
      containers('- {id: a, image: x, volumes: [{kind: bind, source: etc, target: /x}]}'),
      'spec.containers[0].volumes[0].source: must be an absolute path',
    ],
    ['a label that is a number', `${head}  labels: {a: 1}\n`, 'stdin:5:12: metadata.labels.a: must be a string, not 1'],
    ['an id that is not the name', spec('id: other'), 'stdin:6:3: spec.id: `other` must equal metadata.name, `web`'],
    [
      'an address range that is none',
      `${inScope('network: {subnet: nowhere}', 'Space')}`,
      'spec.network.subnet: is no range such as 10.90.0.0/20 or fd00:1::/64',
    ],
  ])('%s', async (_, text, says) => {
    await refused(text, 2, says);
  });

  test('what nothing acts on yet is refused by name', async () => {
    const volume = '- {id: a, image: x, volumes: [{kind: volume, target: /x}]}';
    await refused(containers(volume), 2, 'spec.containers[0].volumes[0].kind: is known, but ');
  });

  test('all faults of all documents are told, each with its place', async () => {
    const ran = await tryApply(
      containers('- {id: 5, image: x}', '- {id: b, imgae: x, volumes: [{kind: volume, target: /x}]}'),
      named('a_b'),
    );
    failure(ran, 2);
    for (const says of [
      'stdin:7:8: spec.containers[0].id: must be a string, not 5',
      'stdin:8:15: spec.containers[1].imgae: unknown field; did you mean `image`?',
      'spec.containers[1].volumes[0].kind: is known, but',
      'metadata.name: `a_b` is not a name',
    ])
      expect(ran.stderr).toContain(`: ${says}`);
    expect(ran.stderr.match(/mend the manifest/g)).toHaveLength(1);
  });

  leavesNothing();
});

describe('names', () => {
  const illegal = ['a--b', 'a_b', 'a.b', '-a', 'a-', '', '../x', '/', 'wé', 'a b', 'x'.repeat(64), 'a\u001b[31mb'];

  test.each(illegal)('%j in a manifest', async name => {
    await refused(named(name), 2, 'stdin:3:12: metadata.name: ', name.length > 63 ? '64 characters' : 'is not a name');
  });

  test.each(illegal.filter(name => !name.startsWith('-')))('%j on the command line', async name => {
    for (const command of [
      ['create', 'cell', name],
      ['create', 'cell', 'web', '--space', name],
      ['delete', 'realm', name],
    ]) {
      failure(await run(command), 2, name.length > 63 ? '64 characters' : 'is not a name');
    }
  });

  test.each(['realmId', 'spaceId', 'stackId'])('a %s that is none', async field => {
    await refused(inScope(`${field}: "../.."`), 2, `stdin:4:8: spec.${field}: `, 'is not a name');
  });

  test.each(['a--b', 'a_b', '', '../x', 'x'.repeat(64), 'root', 'Root'])('%j of a container', async id => {
    await refused(containers(`- {id: ${JSON.stringify(id)}, image: x}`), 2, 'stdin:7:8: spec.containers[0].id: ');
  });

  test('that differ only in case are one', async () => {
    await refused(
      `${named('web')}---\n${named('Web')}`,
      2,
      'cell main/default/default/web: is there as cell main/default/default/Web too',
    );
    await refused(
      containers(`- {id: a, image: ${IMAGE}}`, `- {id: A, image: ${IMAGE}}`),
      2,
      'stdin:8:8: spec.containers[1].id: `A` is spec.containers[0]',
    );
    await refused(named('Main', 'Realm'), 4, 'realm Main: ', 'realm main exists');
    await refused(inScope('spaceId: DEFAULT'), 4, 'space main/default exists');
    failure(await run(['create', 'stack', 'Default']), 4, 'stack main/default/default exists');
  });

  leavesNothing();
});

describe('what does not fit together', () => {
  test('two roots', async () => {
    await refused(
      containers(`- {id: a, image: x, root: true}`, `- {id: b, image: x, root: true}`),
      2,
      'stdin:8:25: spec.containers[1].root: a cell has one root, and that is `a`',
    );
    await refused(
      spec('rootContainerId: b', 'containers:', '  - {id: a, image: x, root: true}', '  - {id: b, image: x}'),
      2,
      'stdin:8:25: spec.containers[0].root: a cell has one root, and that is `b`',
    );
    await refused(
      spec('rootContainerId: z', 'containers:', '  - {id: a, image: x, root: true}'),
      2,
      'stdin:6:3: spec.rootContainerId: there is no container `z`',
    );
  });

  test('the same resource twice', async () => {
    await refused(`${named('web')}---\n${named('web')}`, 2, 'cell main/default/default/web: is there twice');
  });

  test('a container’s id twice', async () => {
    await refused(
      containers('- {id: a, image: x}', '- {id: a, image: y}'),
      2,
      'stdin:8:8: spec.containers[1].id: `a` is spec.containers[0]',
    );
  });

  test('parents that are not there', async () => {
    await refused(
      inScope('realmId: nope, spaceId: s, stackId: t'),
      3,
      'cell nope/s/t/web: there is no realm nope',
      'kuke create realm nope',
    );
    await refused(
      inScope('stackId: t'),
      3,
      'cell main/default/t/web: there is no stack main/default/t',
      '`kuke create stack t --realm main --space default`',
    );
    failure(
      await run(['create', 'stack', 'x', '--space', 'nope']),
      3,
      'stack main/nope/x: there is no space main/nope',
    );
  });

  test('a space to join that is not there', async () => {
    await refused(
      containers(`- {id: a, image: "${IMAGE}", networks: [nope]}`),
      3,
      'cell main/default/default/web: ',
      'there is no space main/nope',
      '`kuke create space nope --realm main`',
    );
  });

  test('one document of several: nothing is applied', async () => {
    const stacks = [named('s1', 'Stack'), named('s_2', 'Stack'), named('s3', 'Stack')];
    await refused(stacks.join('---\n'), 2, 'stdin:7:12: metadata.name: `s_2`');
    await refused(
      [...stacks.slice(0, 1), containers('- {id: a, image: x, volumes: [{kind: volume, target: /x}]}')].join('---\n'),
      2,
      'is known, but',
    );
  });

  leavesNothing();
});
