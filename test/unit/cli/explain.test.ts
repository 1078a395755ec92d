import { afterAll, describe, expect, test } from 'bun:test';
import { kukeOnFakes } from './kuke-on-fakes.ts';

const fake = kukeOnFakes({ uid: 1000 });
afterAll(() => fake.remove());

async function explained(...argv: string[]): Promise<string> {
  const { status, stdout, stderr } = await fake.kuke('explain', ...argv);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

describe('kuke explain', () => {
  test.each(['cell.spec.containers.image', 'cells.containers.image', 'ce.containers[0].image', 'co.image'])(
    '%s',
    async field => {
      const text = await explained(field);
      expect(text).toMatch(
        /^KIND +C\w+ \(c[eo]\)\nFIELD +[\w.]*image <string>\nREQUIRED +yes\nCHANGE +made anew\n\nwhat it is made of, as Docker names images/,
      );
    },
  );

  test('a kind: its fields, each with type, default and description', async () => {
    const text = await explained('space.spec');
    expect(text).toContain(
      '  cniConfigPath <string> default /etc/cni/net.d, change: not possible\n      folder that its conflist is written into',
    );
    expect(text).toContain(
      '  network <map>\n      says which addresses its cells get; absent: those of the next free IPv4 range\n',
    );
    expect(await explained('stack')).toContain('\n  spec <map>\n');
  });

  test('values that are allowed, and fields on which nothing acts yet', async () => {
    expect(await explained('cell.desiredState')).toContain('VALUES  running, stopped\nCHANGE  in place\n');
  });

  test('--recursive shows all in a tree, -o json for programs', async () => {
    const text = await explained('cell', '--recursive');
    expect(text).toContain('\n  spec <map>\n    id <string> change: not possible\n');
    expect(text).toContain('\n    resources <map>\n      cpu <map>\n        limit <string or number>\n');
    const json = JSON.parse(await explained('cell.containers', '-o', 'json'));
    expect(json).toMatchObject({
      path: 'spec.containers',
      field: { type: 'list of maps', default: [], change: 'recreate' },
    });
  });

  test.each([
    ['cel', 'there is no kind `cel`; did you mean `cell`?'],
    ['cell.containers.imge', 'cell.spec.containers has no field `imge`; did you mean `image`?'],
    ['cell.conainers', 'cell has no field `conainers`; did you mean `containers`?'],
    ['cell.metadata.name.first', 'cell.metadata.name has no field `first` (cell.metadata.name has no fields)'],
  ])('%s is refused with what is near', async (field, message) => {
    const { status, stderr } = await fake.kuke('explain', field);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
