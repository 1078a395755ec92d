/** What of the host this plugin has to remember: `<run path>/.kuke/cni-bridge.json`. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { KukeError } from 'kuke/plugin';
import * as v from 'valibot';
import { conform, parseJson } from '../../src/cni/json.ts';
import { replaceFile } from '../../src/host/atomic-file.ts';
import { hasCode } from '../../src/host/errno.ts';

const schema = v.object({
  /** Folders that hold, or held, conflists of spaces; with the first folder of the path that was made for that. */
  folders: v.record(v.string(), v.object({ made: v.exactOptional(v.string()) })),
  /** Kernel parameters that were changed, with the values from before; in the order in which they were. */
  sysctl: v.record(v.string(), v.string()),
  /** The boot that these are of: another one begins with values of its own. */
  boot: v.exactOptional(v.string()),
  /** The tables `nat` that nftables did not have before the first network; absent until that is known. */
  withoutNat: v.exactOptional(v.array(v.picklist(['ip', 'ip6']))),
});

export type HostState = v.InferOutput<typeof schema>;

export interface HostStateFile {
  read(): Promise<HostState>;
  /** Changes in place what is read; one after another, and only written if something differs. */
  update(change: (state: HostState) => void): Promise<void>;
  remove(): Promise<void>;
}

export function hostStateFile(runPath: string): HostStateFile {
  const path = join(runPath, '.kuke/cni-bridge.json');
  let last: Promise<unknown> = Promise.resolve();

  async function read(): Promise<HostState> {
    try {
      return conform(schema, parseJson(await readFile(path, 'utf8')));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return { folders: {}, sysctl: {} };
      throw new KukeError('MetadataCorrupt', `${path}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  async function write(change: (state: HostState) => void): Promise<void> {
    const state = await read();
    const before = JSON.stringify(state);
    change(state);
    if (JSON.stringify(state) === before) return;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replaceFile(path, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  }

  return {
    read,
    update(change) {
      const mine = last.then(() => write(change));
      last = mine.catch(() => {});
      return mine;
    },
    remove: () => rm(path, { force: true }),
  };
}
