/** Whom a client trusts, and what it shows of itself, from files in PEM. */
import { statSync } from 'node:fs';
import { RegistryError } from './errors.ts';
import { readText } from './text-file.ts';
import type { TlsSettings } from './transport.ts';

// Where distributions keep all the CAs that the machine trusts, as Go looks for them (crypto/x509/root_linux.go).
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

let system = { version: '', text: undefined as string | undefined };

/** The machine's CAs, read once a change; undefined where it has no such file: Bun's own list is used then. */
function systemBundle(): string | undefined {
  const version = bundles.map(versionOf).join(' ');
  if (version !== system.version) system = { version, text: bundles.map(readText).find(text => text?.includes(BEGIN)) };
  return system.text;
}

function versionOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '-' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`;
}

const BEGIN = '-----BEGIN ';

/** The machine's CAs and those of `ca`; the first client certificate. Throws RegistryError `configuration` on a file that is none. */
export function tlsSettings(ca: string[], client: [cert: string, key: string][]): TlsSettings {
  const bundle = systemBundle();
  const trusted = [...(bundle === undefined ? [] : [bundle]), ...ca.map(path => pem(path, 'CERTIFICATE'))];
  const [pair] = client;
  return {
    ...(trusted.length > 0 && { ca: trusted }),
    ...(pair !== undefined && {
      cert: pem(pair[0], 'CERTIFICATE'),
      key: pem(pair[1] === '' ? pair[0] : pair[1], '(?:[A-Z]+ )?PRIVATE KEY'),
    }),
  };
}

function pem(path: string, what: string): string {
  const text = readText(path);
  if (text !== undefined && new RegExp(`${BEGIN}${what}-----`).test(text)) return text;
  const fault = text === undefined ? 'there is no such file' : 'it holds no such thing in PEM';
  const name = what === 'CERTIFICATE' ? 'certificate' : 'private key';
  throw new RegistryError('configuration', `cannot take the ${name} from ${path}: ${fault}`, {
    remedy: `mend ${path}`,
  });
}
