import type { ImageDetails } from '../kernel/backends/index.ts';
import { command } from './command.ts';
import { openImages, realmArg } from './images.ts';
import { bytes } from './output/bytes.ts';
import { printable } from './output/printable.ts';
import { formatJson } from './output/resources.ts';
import { print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { textOutputArg } from './output-arg.ts';

export default command({
  summary: 'show what an image is made of, how it runs, and who uses it',
  examples: [
    ['image inspect nginx:alpine', 'for people'],
    ['image inspect nginx:alpine -o json', 'for scripts: digest, layers and the configuration'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'name of an image, as `image ls` has it, or its digest' },
    ...realmArg,
    ...textOutputArg,
  },
  async run(invocation) {
    const { images, namespace } = await openImages(invocation);
    const details = await images.inspect({ namespace, name: invocation.args.name });
    print(invocation.args.output === 'json' ? formatJson(details) : describeImage(details));
    return 0;
  },
});

/** What it does not say has no line. */
export function describeImage(details: ImageDetails): string {
  const { config, layers } = details;
  const words = (list: string[]): string[] =>
    list.length === 0 ? [] : [list.map(word => JSON.stringify(word)).join(' ')];
  const fields: [string, string[]][] = [
    ['Name', [details.name]],
    ['Also', details.names.filter(name => name !== details.name)],
    ['Digest', [details.digest]],
    ['Manifest', details.manifest === details.digest ? [] : [details.manifest]],
    ['Type', [details.mediaType]],
    ['Platform', details.platforms],
    ['Size', [bytes(details.size)]],
    ['Built', details.builtAt === undefined ? [] : [details.builtAt]],
    ['Here since', [details.createdAt]],
    ['Entrypoint', words(config.entrypoint)],
    ['Command', words(config.cmd)],
    ['Environment', config.env],
    ['User', config.user === '' ? [] : [config.user]],
    ['Directory', config.workingDir === '' ? [] : [config.workingDir]],
    ['Stop signal', config.stopSignal === undefined ? [] : [config.stopSignal]],
    ['Ports', config.exposedPorts],
    ['Volumes', config.volumes],
    ['Labels', Object.entries(config.labels).map(([key, value]) => `${key}=${value}`)],
    ['Layers', layers.map(({ digest, size }) => `${digest}  ${bytes(size)}`)],
    ['Used by', details.usedBy],
  ];
  const rows = fields.flatMap(([name, lines]) =>
    lines.map((line, index) => [index === 0 ? `${name}:` : '', printable(line).replaceAll('\n', '\\n')]),
  );
  return alignColumns(rows);
}
