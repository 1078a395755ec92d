/** Small plugins written for one test, and what they were told. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNetworkConfig } from '../../../src/cni/config.ts';

/** What a plugin starts with: it notes its call in `log`, its environment and its standard input, then does the test's part. */
const RECORD = `#!/bin/sh
here=\${0%/*}; me=\${0##*/}
echo "$me $CNI_COMMAND" >> "$here/log"
env > "$here/$me.$CNI_COMMAND.env"
cat > "$here/$me.$CNI_COMMAND.stdin"
`;

export interface PluginFolder {
  path: string;
  /** Writes a plugin whose shell code is `body`, run after the call was noted. */
  plugin(name: string, body: string): void;
  /** Writes a file as it is. */
  file(name: string, text: string, mode?: number): void;
  /** The calls in order: `bridge ADD`. */
  calls(): string[];
  env(name: string, command: string): Record<string, string>;
  stdin(name: string, command: string): unknown;
  [Symbol.dispose](): void;
}

export function pluginFolder(): PluginFolder {
  const path = mkdtempSync(join(tmpdir(), 'cni-'));
  const read = (name: string) => readFileSync(join(path, name), 'utf8');
  const file = (name: string, text: string, mode = 0o755) => {
    writeFileSync(join(path, name), text);
    chmodSync(join(path, name), mode);
  };
  return {
    path,
    file,
    plugin: (name, body) => file(name, `${RECORD}${body}\n`),
    calls: () => (existsSync(join(path, 'log')) ? read('log').trim().split('\n') : []),
    env: (name, command) =>
      Object.fromEntries(
        read(`${name}.${command}.env`)
          .trim()
          .split('\n')
          .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      ),
    stdin: (name, command) => JSON.parse(read(`${name}.${command}.stdin`)),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Shell code that prints a value as JSON. */
export function say(value: unknown): string {
  return `cat <<'JSON'\n${JSON.stringify(value)}\nJSON`;
}

/** A network named `net` of version 1.0.0, of plugins by their types or whole configurations. */
export function network(plugins: (string | Record<string, unknown>)[], more: Record<string, unknown> = {}) {
  const chain = plugins.map(plugin => (typeof plugin === 'string' ? { type: plugin } : plugin));
  return parseNetworkConfig({ cniVersion: '1.0.0', name: 'net', plugins: chain, ...more });
}

/** A result as a bridge gives it. */
export const RESULT = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'cni0' }, { name: 'eth0', mac: '0e:00:00:00:00:01', sandbox: '/run/netns/x' }],
  ips: [{ address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 1 }],
  routes: [{ dst: '0.0.0.0/0' }],
};
