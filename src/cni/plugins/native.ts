/** Calling a built-in plugin in this process: the same code that runs when the binary is executed as a plugin. */
import { requireNotAborted } from '../chain.ts';
import { CniError, type CniFailure } from '../errors.ts';
import type { Invoke, InvokeRequest } from '../invoke.ts';
import { exactConfig } from '../key-case.ts';
import { type LoadPlugin, perform } from './perform.ts';
import { PluginError } from './plugin-error.ts';
import { isBuiltIn, loadPlugin } from './registry.ts';
import { versionInfo } from './version-info.ts';

/** The name that the result cache records for it. */
export const NATIVE = 'kuke';

export const invokeNative: Invoke = nativeInvoke(loadPlugin);

/**
 * An abort and the time limit are seen wherever a plugin waits; between that its work is synchronous, and short. An ADD that they meet
 * fails even if it was done by then, so that the runtime undoes it.
 */
export function nativeInvoke(load: LoadPlugin): Invoke {
  return async request => {
    requireNotAborted(request);
    const { command, plugin, config, timeoutMs, signal } = request;
    if (!isBuiltIn(plugin)) throw failed(request, { reason: 'not-found', msg: 'it is none of the built-in plugins' });
    if (command === 'VERSION') return versionInfo(config);
    const end = performance.now() + timeoutMs;
    const limit = AbortSignal.timeout(timeoutMs);
    const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    try {
      const result = await perform({ ...request, command, config: exactConfig(config), signal: either }, load);
      if (command !== 'ADD') return result;
      either.throwIfAborted();
      // No timer goes off while a plugin works without a pause.
      if (performance.now() >= end) throw timedOut(request);
      return result;
    } catch (thrown) {
      if (signal?.aborted) throw failed(request, { reason: 'aborted', msg: 'it was called off', cause: signal.reason });
      if (limit.aborted) throw timedOut(request);
      if (!(thrown instanceof PluginError)) throw thrown;
      const { code, msg, details } = thrown;
      throw failed(request, { reason: 'plugin-error', code, msg, details: details || undefined, cause: thrown });
    }
  };
}

function timedOut(request: InvokeRequest): CniError {
  const { timeoutMs } = request;
  return failed(request, { reason: 'timed-out', msg: `it was called off: it took over ${timeoutMs / 1000} s` });
}

function failed({ command, network, plugin }: InvokeRequest, failure: Omit<CniFailure, 'command'>): CniError {
  return new CniError({ command, network, plugin, ...failure });
}
