/** With what to log in: the realm's credentials, whose secrets are in files, then those that `docker login` has left. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { asFileError, KukeError, type RegistryCredentials, refuseWritable } from 'kuke/plugin';
import { changeableByOthers } from '../../../src/host/trusted-path.ts';
import { type Credentials, type CredentialsOf, readDockerConfig } from '../../../src/registry/index.ts';
import { serverOf } from './server.ts';

/** Bytes. */
const secretMax = 64 * 1024;

export function credentialsFrom(ofRealm: readonly RegistryCredentials[]): CredentialsOf {
  const dockerConfig = readDockerConfig({ changeableByOthers });
  return async (server, signal) => {
    const own = ofRealm.find(one => serverOf(one.server) === serverOf(server));
    return own === undefined ? dockerConfig.credentials(server, signal) : withSecret(own);
  };
}

async function withSecret(said: RegistryCredentials): Promise<Credentials> {
  const { server, username = '', passwordFile, identityTokenFile } = said;
  if (identityTokenFile !== undefined) return { identityToken: await readSecret(identityTokenFile, server) };
  if (passwordFile !== undefined) return { username, password: await readSecret(passwordFile, server) };
  throw new KukeError('RegistryFailed', `the credentials for ${server} name no file`);
}

/** The first line of a file that nobody but root can read. */
async function readSecret(path: string, server: string): Promise<string> {
  const step = `read the credentials for ${server}`;
  try {
    // Who can put another in its place would choose what is sent.
    refuseWritable(path, changeableByOthers);
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode, uid, size } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > secretMax)
      throw new KukeError('RegistryFailed', `${path} is no file with a secret`, { step });
    if (uid !== 0 || (mode & 0o077) !== 0) {
      const remedy = `\`chown root: ${path} && chmod 600 ${path}\``;
      throw new KukeError('RegistryFailed', `${path} can be read by others than root`, { step, remedy });
    }
    const [line = ''] = (await file.readFile('utf8')).split(/\r?\n/, 1);
    if (line === '') throw new KukeError('RegistryFailed', `${path} is empty`, { step });
    return line;
  } catch (thrown) {
    throw asFileError(thrown).at({ step });
  }
}
