/** The `ctr` commands that a person would type for what is done to images. */
import {
  digestPattern,
  explainWith,
  type ImageChanges,
  type ImagesActions,
  type ImagesBackend,
  normaliseName,
  type RegistryCredentials,
  shellCommand,
  shellQuote,
} from 'kuke/plugin';
import { INSTANCE } from '../labels.ts';
import { serverOf } from './server.ts';

export const explain = explainWith<ImagesActions>({
  pull({ namespace, name, platform, plainHttp, credentials = [] }) {
    const full = normaliseName(name);
    const login = credentials.find(one => serverOf(one.server) === serverOf(full.slice(0, full.indexOf('/'))));
    const flags = ['--hosts-dir', '/etc/containerd/certs.d', ...(plainHttp === true ? ['--plain-http'] : [])];
    if (platform !== undefined) flags.push('--platform', platform);
    const command = shellCommand('ctr', '-n', namespace, 'images', 'pull', ...flags);
    const pull = [command, ...(login === undefined ? [] : [loginFlag(login)]), shellQuote(full)].join(' ');
    return `${pull}\n${own(namespace, [full])}`;
  },
});

const changes: { [K in keyof ImageChanges]: (params: ImageChanges[K]) => string } = {
  load: ({ namespace, file }) =>
    shellCommand('ctr', '-n', namespace, 'images', 'import', file.startsWith('-') && file !== '-' ? `./${file}` : file),
  own: ({ namespace, names }) => own(namespace, names),
  tag: ({ namespace, source, name }) =>
    `${shellCommand('ctr', '-n', namespace, 'images', 'tag', '--force', source, name)}\n${own(namespace, [name])}`,
  remove: ({ namespace, names }) => shellCommand('ctr', '-n', namespace, 'images', 'rm', '--sync', ...names),
};

export const explainChange: ImagesBackend['explainChange'] = (change, params) => changes[change](params);

/** What an archive gave no name, ctr has none for either. */
function own(namespace: string, names: readonly string[]): string {
  const named = names.filter(name => !digestPattern.test(name));
  const label = (name: string) => shellCommand('ctr', '-n', namespace, 'images', 'label', name);
  return named.map(name => `${label(name)} ${INSTANCE}="$KUKE_INSTANCE"`).join('\n');
}

/** The secret stays in its file. */
function loginFlag({ username, passwordFile, identityTokenFile }: RegistryCredentials): string {
  const firstLine = (file: string) => `$(${shellCommand('head', '-n', '1', file)})`;
  if (identityTokenFile !== undefined) return `--refresh "${firstLine(identityTokenFile)}"`;
  return `--user ${shellQuote(`${username}:`)}"${firstLine(passwordFile ?? '')}"`;
}
