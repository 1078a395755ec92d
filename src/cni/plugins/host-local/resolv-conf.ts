/** The DNS settings of a resolv.conf(5), for the result. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { asSystemError } from '../../../host/libc.ts';
import type { Dns } from '../../result.ts';
import { PluginError } from '../plugin-error.ts';

const MAX_BYTES = 1 << 20;

/** Throws PluginError. */
export function readResolvConf(path: string): Dns {
  const dns: Dns = { nameservers: [], domain: undefined, search: [], options: [] };
  for (const line of readText(path).split('\n')) {
    const [key = '', ...values] = line.trim().split(/\s+/);
    const [first] = values;
    if (/^[#;]/.test(key) || first === undefined) continue;
    if (key === 'nameserver') dns.nameservers.push(first);
    else if (key === 'domain') dns.domain = first;
    else if (key === 'search') dns.search.push(...values);
    else if (key === 'options') dns.options.push(...values);
  }
  return dns;
}

function readText(path: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a FIFO would keep us waiting
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > MAX_BYTES) throw refuse(`${path} is no regular file of at most 1 MiB`);
    return readFileSync(fd, 'utf8');
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const said = asSystemError(error, path);
    throw refuse(said instanceof Error ? said.message : String(said));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const refuse = (why: string) => new PluginError('InvalidConfig', `ipam.resolvConf: ${why}`);
