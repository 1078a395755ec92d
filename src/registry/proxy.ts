/** Which proxy the environment names for an address, by the rules of containerd's and Docker's clients (Go's golang.org/x/net/http/httpproxy). */
import { RegistryError } from './errors.ts';
import { isLoopback } from './loopback.ts';

/** The proxy's address, which may hold a password; undefined: none is asked. Throws RegistryError `configuration` on what is none. */
export async function proxyFor({ protocol, hostname, port }: URL): Promise<string | undefined> {
  if (isLoopback(hostname)) return undefined;
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = variable(name);
  if (proxy === '') return undefined;
  const host = hostname.replace(/^\[|\]$/g, '');
  const ports = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  for (const entry of variable('NO_PROXY').toLowerCase().split(',')) {
    if (await covers(entry.trim(), host, ports)) return undefined;
  }
  const address = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (/^https?:$/.test(URL.parse(address)?.protocol ?? '')) return address;
  throw new RegistryError('configuration', `${name} names no proxy that speaks HTTP`, {
    remedy: `mend ${name}: http://[USER:PASSWORD@]HOST[:PORT]`,
  });
}

const variable = (name: string) => process.env[name] || process.env[name.toLowerCase()] || '';

/** `*`, `10.0.0.0/8`, `10.0.0.1`, `local` (and all below it), `.local` (what is below it alone), each but the first two with `:PORT` or without. */
async function covers(entry: string, host: string, port: string): Promise<boolean> {
  if (entry === '*') return true;
  if (entry.includes('/')) return await isWithin(host, entry);
  const [, name = entry, onlyPort] = /^([^:]*|\[.*\]):(\d+)$/.exec(entry) ?? [];
  if (name === '' || (onlyPort !== undefined && onlyPort !== port)) return false;
  const own = name.replace(/^\*(?=\.)/, '').replace(/^\[|\]$/g, '');
  return own.startsWith('.') ? host.endsWith(own) : host === own || host.endsWith(`.${own}`);
}

async function isWithin(host: string, range: string): Promise<boolean> {
  const { BlockList, isIP } = await import('node:net');
  const [base = '', bits = ''] = range.split('/');
  const [family, of] = [isIP(host), isIP(base)];
  if (family === 0 || family !== of || !/^\d{1,3}$/.test(bits) || Number(bits) > (of === 4 ? 32 : 128)) return false;
  const type = of === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(base, Number(bits), type);
  return list.check(host, type);
}
