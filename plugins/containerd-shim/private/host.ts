/** `kuke init` sees to a containerd that answers; `kuke uninstall` ends the one that it has started. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { KukeError, type Plan, type PluginKernel } from 'kuke/plugin';
import { PATH } from '../../../src/host/environment.ts';
import type { ContainerdConfig } from '../config.ts';
import { privatePaths, remainsOf, servingOf } from './files.ts';
import { servingProcess } from './process.ts';

const host = { kind: 'Host', path: [] };

export async function planServing(kernel: PluginKernel<ContainerdConfig>, plan: Plan): Promise<void> {
  if (await isServed(kernel)) return;
  const { containerdSocket: socket, runPath } = kernel.settings;
  const program = Bun.which('containerd', { PATH });
  const missing = ['containerd', 'runc'].filter(name => Bun.which(name, { PATH }) === null);
  if (program === null || missing.length > 0) {
    const remedy = `install it: apt-get install ${missing.join(' ')}`;
    throw new KukeError('HostNotReady', `nobody answers on ${socket}, and ${missing.join(' and ')} is not installed`, {
      remedy,
    });
  }
  if (existsSync('/run/systemd/system')) {
    throw new KukeError('HostNotReady', `nobody answers on ${socket}, and systemd has not started containerd`, {
      remedy: 'systemctl enable --now containerd',
    });
  }
  const paths = privatePaths(runPath);
  const running = servingProcess(paths);
  if (running !== undefined) {
    const remedy = `see ${paths.log}; kill ${running.pid}, then run \`kuke init\` again`;
    throw new KukeError(
      'HostNotReady',
      `kuke's containerd runs (pid ${running.pid}), but does not answer on ${socket}`,
      { remedy },
    );
  }
  // The folders of one that was killed are still kuke's.
  const earlier = servingOf(paths)?.madeFolders ?? [];
  const madeFolders = [...new Set([...earlier, ...missingFolders(dirname(socket))])];
  const attempt = crypto.randomUUID();
  plan.add(host, 'containerd-shim.serve', {
    paths,
    program,
    serving: { socket, madeFolders, attempt },
    isRestart: existsSync(paths.root),
  });
}

/** `folder` and those around it that are not there, outermost first. */
function missingFolders(folder: string): string[] {
  return existsSync(folder) ? [] : [...missingFolders(dirname(folder)), folder];
}

async function isServed(kernel: PluginKernel): Promise<boolean> {
  try {
    await (await kernel.use('runtime')).ping();
    return true;
  } catch (error) {
    if (error instanceof KukeError && error.code === 'RuntimeUnavailable') return false;
    throw error;
  }
}

export function planEnd(kernel: PluginKernel, plan: Plan): void {
  const { runPath, containerdSocket: socket } = kernel.settings;
  const paths = privatePaths(runPath);
  if (!existsSync(paths.folder) && !existsSync(paths.state)) return;
  plan.add(host, 'containerd-shim.endServing', { paths, remains: remainsOf(paths, servingOf(paths) ?? { socket }) });
}
