/** With what a realm logs in to registries: by server, and with secrets in files alone (docs/images.md). */
import { join } from 'node:path';
import { notYet, type RegistryCredentials } from 'kuke/plugin';
import * as v from 'valibot';

const secretFile = v.pipe(
  v.string(),
  v.regex(/^[^\0]+$/, 'must not be empty'),
  v.check(path => path.startsWith('/') || !path.split('/').includes('..'), 'must not lead out of the secrets folder'),
);

const elsewhere = 'a manifest holds no secrets: write it into a file of mode 0600, and name that';
const pathOf = 'path, or name below `<run path>/.kuke/secrets`, of a file of root, mode 0600';

const login = v.pipe(
  v.strictObject({
    server: v.pipe(
      v.string(),
      v.regex(
        /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?$/,
        'must be a host, with its port if it has one, as in the names of images: registry.example.com:5000',
      ),
      v.description('registry that they are for, as in the names of images: `docker.io`, `registry.example.com:5000`'),
    ),
    username: v.exactOptional(
      v.pipe(
        v.string(),
        v.regex(/^[^:\0\n]+$/, 'must not be empty nor hold a colon'),
        v.description('user name that the registry is given with the password in `passwordFile`'),
      ),
    ),
    passwordFile: v.exactOptional(v.pipe(secretFile, v.description(`${pathOf}, whose first line is the password`))),
    identityTokenFile: v.exactOptional(
      v.pipe(secretFile, v.description(`${pathOf}, whose first line is a refresh token; in place of the other two`)),
    ),
    password: notYet(`${elsewhere} as passwordFile`),
    identityToken: notYet(`${elsewhere} as identityTokenFile`),
  }),
  v.check(
    ({ username, passwordFile, identityTokenFile }) =>
      identityTokenFile === undefined
        ? username !== undefined && passwordFile !== undefined
        : (username ?? passwordFile) === undefined,
    'needs either username and passwordFile, or identityTokenFile',
  ),
);

export const registryCredentials = v.exactOptional(
  v.pipe(
    v.array(login),
    v.check(
      all => new Set(all.map(({ server }) => server.toLowerCase())).size === all.length,
      'must name each server once',
    ),
    v.description('what kuke logs in to registries with when images are pulled; absent: what `docker login` has left'),
  ),
);

export function withPaths(said: v.InferOutput<typeof login>, runPath: string): RegistryCredentials {
  const { server, username, passwordFile, identityTokenFile } = said;
  const path = (file: string): string => (file.startsWith('/') ? file : join(runPath, '.kuke/secrets', file));
  return {
    server,
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { passwordFile: path(passwordFile) }),
    ...(identityTokenFile !== undefined && { identityTokenFile: path(identityTokenFile) }),
  };
}
