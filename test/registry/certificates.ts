/** A CA of a test's own, and certificates that it signs, by openssl. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MadeCertificate {
  /** Paths, in PEM. */
  certificate: string;
  key: string;
}

const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** `<folder>/ca.crt` and `.key`. */
export function makeCa(folder: string): MadeCertificate {
  const made = { certificate: join(folder, 'ca.crt'), key: join(folder, 'ca.key') };
  const name = ['-subj', '/CN=kuke test CA', '-days', '2'];
  openssl('req', '-x509', ...ec, '-keyout', made.key, '-out', made.certificate, ...name);
  return made;
}

/** A server's on loopback, or a client's: `<folder>/<name>.crt` and `.key`. */
export function makeCertificate(folder: string, name: string, ca: MadeCertificate): MadeCertificate {
  const made = { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  const [request, extensions] = [join(folder, `${name}.csr`), join(folder, `${name}.ext`)];
  writeFileSync(extensions, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl('req', ...ec, '-keyout', made.key, '-out', request, '-subj', `/CN=${name}`);
  const by = ['-CA', ca.certificate, '-CAkey', ca.key, '-CAcreateserial', '-days', '2', '-extfile', extensions];
  openssl('x509', '-req', '-in', request, '-out', made.certificate, ...by);
  return made;
}

function openssl(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args]);
  if (exitCode !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
}
