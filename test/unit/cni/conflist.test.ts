import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  ConflistError,
  formatConflist,
  readConflist,
  readConflists,
  writeConflist,
} from '../../../src/cni/conflist.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'conflist-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const conflist = (name: string, more = '') =>
  `{"cniVersion":"1.0.0","name":"${name}","plugins":[{"type":"bridge"}]${more}}`;

test('a folder is read in the order of its file names; what libcni would not read is not read', async () => {
  write('20-b.conflist', conflist('b'));
  write('10-a.conf', '{"cniVersion":"0.4.0","name":"a","type":"bridge"}');
  write('30-c.json', '{"cniVersion":"0.4.0","name":"c","type":"bridge"}');
  write('05-no.conflist.bak', conflist('no'));
  write('README', 'no');
  mkdirSync(join(folder, '00-folder.conf'));
  const { files, broken } = await readConflists(folder);
  expect(files.map(file => [file.path, file.network.name])).toEqual([
    [join(folder, '10-a.conf'), 'a'],
    [join(folder, '20-b.conflist'), 'b'],
    [join(folder, '30-c.json'), 'c'],
  ]);
  expect(broken).toEqual([]);
});

test('broken files are reported with path and line, and do not hide the others', async () => {
  write('1-cut.conflist', '{\n  "cniVersion": "1.0.0",\n  "name": ');
  write('2-missing.conflist', '{"cniVersion":"1.0.0","name":"x"}');
  write('3-fine.conflist', conflist('fine'));
  write('4-comma.conflist', '{\n  "cniVersion": "1.0.0"\n  "name": "x"\n}');
  write('5-empty.conflist', '');
  write('6-large.conflist', conflist('large', `,"x":"${'x'.repeat(1 << 20)}"`));
  symlinkSync('/dev/zero', join(folder, '7-device.conflist'));
  symlinkSync('/nonexistent', join(folder, '8-dangling.conflist'));
  const { files, broken } = await readConflists(folder);
  expect(files.map(file => file.network.name)).toEqual(['fine']);
  const messages = broken.map(error => error.message.slice(folder.length + 1));
  expect(messages).toEqual([
    expect.stringMatching(/^1-cut\.conflist:3: not JSON: /),
    '2-missing.conflist: plugins: there is none',
    expect.stringMatching(/^4-comma\.conflist:3: not JSON: /),
    '5-empty.conflist:1: the text is empty',
    '6-large.conflist: larger than 1 MiB',
    '7-device.conflist: not a regular file',
    expect.stringMatching(/^8-dangling\.conflist: ENOENT/),
  ]);
  expect(broken[0]).toMatchObject({ path: join(folder, '1-cut.conflist'), line: 3 });
});

test('a folder that does not exist is an empty one', async () => {
  expect(await readConflists(join(folder, 'none'))).toEqual({ files: [], broken: [] });
});

test('plugins in a folder of the network’s name are appended in order', async () => {
  write('net.conflist', conflist('net'));
  mkdirSync(join(folder, 'net'));
  write('net/2.conf', '{"type":"portmap","capabilities":{"portMappings":true}}');
  write('net/1.conf', '{"type":"tuning"}');
  write('net/3.json', '{"type":"never"}');
  const network = await readConflist(join(folder, 'net.conflist'));
  expect(network.plugins.map(plugin => plugin.type)).toEqual(['bridge', 'tuning', 'portmap']);

  write('net/1.conf', '{"type":');
  const outcome = await readConflist(join(folder, 'net.conflist')).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(ConflistError);
  expect(outcome).toMatchObject({ path: join(folder, 'net/1.conf'), line: 1 });

  write('net.conflist', conflist('net', ',"loadOnlyInlinedPlugins":true'));
  expect((await readConflist(join(folder, 'net.conflist'))).plugins).toHaveLength(1);
});

test('a name that leads out of the folder is refused before it is followed', async () => {
  write('x.conflist', conflist('../../etc'));
  await expect(readConflist(join(folder, 'x.conflist'))).rejects.toThrow(/x\.conflist: name: may hold letters/);
});

test('the text of a conflist: what identifies first, the chain last', () => {
  const document = {
    plugins: [{ ipam: { type: 'host-local', ranges: [] }, bridge: 'b', type: 'bridge' }],
    name: 'n',
    marker: 1,
    cniVersion: '1.0.0',
  };
  expect(formatConflist(document)).toBe(`{
  "cniVersion": "1.0.0",
  "name": "n",
  "marker": 1,
  "plugins": [
    {
      "type": "bridge",
      "bridge": "b",
      "ipam": {
        "type": "host-local",
        "ranges": []
      }
    }
  ]
}
`);
});

test('what was written is read back; what could not be is not written', async () => {
  const path = join(folder, 'x.conflist');
  const document = { cniVersion: '1.0.0', name: 'x', marker: { a: 1 }, plugins: [{ type: 'bridge' }] };
  await writeConflist(path, document);
  expect((await readConflist(path)).json).toEqual(document);
  expect(statSync(path).mode & 0o777).toBe(0o644);
  await expect(writeConflist(path, { ...document, name: '../x' })).rejects.toThrow(
    /x\.conflist: name: may hold letters/,
  );
  await expect(writeConflist(join(folder, 'none/x.conflist'), document)).rejects.toThrow(ConflistError);
  expect((await readConflist(path)).name).toBe('x');
  expect(readdirSync(folder)).toEqual(['x.conflist']);
});

test('the text depends on the content alone, and says all of it', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), document => {
      const text = formatConflist(document);
      const backwards = Object.fromEntries(Object.entries(document).reverse());
      expect(formatConflist(backwards)).toBe(text);
      const back: Record<string, unknown> = JSON.parse(text);
      expect(back).toEqual(JSON.parse(JSON.stringify(document)));
      expect(formatConflist(back)).toBe(text);
    }),
  );
});

test('no file content does more than to be reported', async () => {
  const path = join(folder, 'x.conflist');
  const broken = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.nat(conflist('net').length - 1).map(length => conflist('net').slice(0, length)),
    fc.constantFrom('['.repeat(200_000), '{"a":'.repeat(100_000), '\0', '\ufeff{}', '"\\ud800"', 'null', '1e999'),
  );
  await fc.assert(
    fc.asyncProperty(broken, async text => {
      writeFileSync(path, text);
      const outcome = await readConflists(folder);
      expect(outcome).toMatchObject({ files: [], broken: [expect.any(ConflistError)] });
    }),
  );
});
