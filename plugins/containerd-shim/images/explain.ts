/** The `ctr` command that a person would type for a pull. */
import {
  explainWith,
  type ImagesActions,
  normaliseName,
  type RegistryCredentials,
  shellCommand,
  shellQuote,
} from 'kuke/plugin';
import { serverOf } from './server.ts';

export const explain = explainWith<ImagesActions>({
  pull({ namespace, name, platform, plainHttp, credentials = [] }) {
    const full = normaliseName(name);
    const login = credentials.find(one => serverOf(one.server) === serverOf(full.slice(0, full.indexOf('/'))));
    const flags = ['--hosts-dir', '/etc/containerd/certs.d', ...(plainHttp === true ? ['--plain-http'] : [])];
    if (platform !== undefined) flags.push('--platform', platform);
    const command = shellCommand('ctr', '-n', namespace, 'images', 'pull', ...flags);
    return [command, ...(login === undefined ? [] : [loginFlag(login)]), shellQuote(full)].join(' ');
  },
});

/** The secret stays in its file. */
function loginFlag({ username, passwordFile, identityTokenFile }: RegistryCredentials): string {
  const firstLine = (file: string) => `$(${shellCommand('head', '-n', '1', file)})`;
  if (identityTokenFile !== undefined) return `--refresh "${firstLine(identityTokenFile)}"`;
  return `--user ${shellQuote(`${username}:`)}"${firstLine(passwordFile ?? '')}"`;
}
