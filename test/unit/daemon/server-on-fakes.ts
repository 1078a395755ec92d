/** The API's server with the five kinds on one fake host, on a socket of its own, and a client that is not kuke's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type RequestAudit,
  type RunningServer,
  type ServerOptions,
  startServer,
} from '../../../src/daemon/server/index.ts';
import { makeJournal } from '../../../src/kernel/journal.ts';
import { makeHost } from '../../fakes/index.ts';
import { kernelOnFakes, type TestKernel } from '../kernel/kernel-on-fakes.ts';

export interface TestServer extends AsyncDisposable {
  on: TestKernel;
  server: RunningServer;
  socketPath: string;
  audited: RequestAudit[];
  logged: { level: string; message: string; fields?: Record<string, unknown> }[];
  /** By Bun's own client. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Asked>;
  /** What a connection that was sent these bytes answers until it closes, or says nothing for `quietMs`. */
  raw(bytes: string | Uint8Array, quietMs?: number): Promise<string>;
  open(): Promise<Socket>;
}

export interface Asked {
  status: number;
  headers: Headers;
  text: string;
  json: unknown;
}

export async function serverOnFakes(
  options: Partial<ServerOptions> & { isInitialised?: boolean } = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kuke-api-'));
  const host = makeHost();
  const on = await kernelOnFakes({ host });
  if (options.isInitialised !== false) await on.init();
  const socketPath = join(folder, 'kukeond.sock');
  const audited: RequestAudit[] = [];
  const logged: TestServer['logged'] = [];
  const server = await startServer({
    socketPath,
    version: '0.0.0',
    group: 'kuke-test-no-such-group',
    engine: {
      open: async ({ isDryRun = false } = {}) => (await kernelOnFakes({ host, isDryRun })).kernel,
      journal: () => makeJournal(join(folder, 'journal')),
      lockTimeoutMs: 5000,
    },
    log: (level, message, fields) => void logged.push({ level, message, ...(fields && { fields }) }),
    audit: entry => void audited.push(entry),
    ...options,
  });
  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ path: socketPath, allowHalfOpen: true }, () => resolve(socket));
      socket.once('error', reject);
      socket.on('error', () => {});
    });
  return {
    on,
    server,
    socketPath,
    audited,
    logged,
    open,
    async ask(method, path, body, headers = {}) {
      const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
      const response = await fetch(`http://kukeond${path}`, {
        method,
        unix: socketPath,
        headers: { accept: 'application/json', ...headers },
        ...(text !== undefined && { body: text }),
      });
      const answered = await response.text();
      return { status: response.status, headers: response.headers, text: answered, json: parsed(answered) };
    },
    async raw(bytes, quietMs = 300) {
      const socket = await open();
      const { promise, resolve } = Promise.withResolvers<void>();
      let timer = setTimeout(resolve, quietMs);
      let said = '';
      socket.on('data', piece => {
        said += piece.toString('latin1');
        clearTimeout(timer);
        timer = setTimeout(resolve, quietMs);
      });
      socket.once('close', () => resolve());
      socket.once('end', () => resolve());
      socket.write(bytes);
      await promise;
      clearTimeout(timer);
      socket.destroy();
      return said;
    },
    async [Symbol.asyncDispose]() {
      await server.stop(100);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
