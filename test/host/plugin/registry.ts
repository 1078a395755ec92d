/** An npm registry on loopback, for a box has no way out: it serves what the project has installed for its example. */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';

const installed = join(import.meta.dir, '../../../examples/plugin-greeting/node_modules');

export interface Registry extends Disposable {
  url: string;
}

export function startRegistry(): Registry {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    routes: {
      '/:name': ({ params, url }) => describe(params.name, url),
      '/:name/package.tgz': ({ params }) => new Response(tarball(params.name)),
    },
  });
  return { url: server.url.href, [Symbol.dispose]: () => void server.stop(true) };
}

/** In the registry's own format, with the one version that there is. */
async function describe(name: string, url: string): Promise<Response> {
  const description: { version: string } = await Bun.file(join(installed, name, 'package.json')).json();
  const { version } = description;
  const integrity = `sha512-${new Bun.CryptoHasher('sha512').update(tarball(name)).digest('base64')}`;
  const dist = { tarball: `${url}/package.tgz`, integrity };
  return Response.json({ name, 'dist-tags': { latest: version }, versions: { [version]: { ...description, dist } } });
}

/** The same bytes each time. */
function tarball(name: string): Uint8Array<ArrayBuffer> {
  const folder = realpathSync(join(installed, name));
  const options = ['--sort=name', '--mtime=@0', '--owner=root', '--group=root', '--transform=s,^\\.,package,'];
  const { stdout } = Bun.spawnSync(['tar', '--create', ...options, '--directory', folder, '.'], {
    maxBuffer: 64 << 20,
  });
  return Bun.gzipSync(new Uint8Array(stdout));
}
