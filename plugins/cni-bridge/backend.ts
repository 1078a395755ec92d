/** The network backend: conflists, bridges, network namespaces and attachments through CNI, and the rules between spaces. */
import { type ActionContext, KukeError, type NetworkBackend } from 'kuke/plugin';
import { attach } from './attach.ts';
import { chooseNetwork } from './choose.ts';
import { defineNetwork } from './define.ts';
import { detach } from './detach.ts';
import { networkExplain } from './explain.ts';
import { networkFailure } from './failures.ts';
import type { Host } from './host.ts';
import { closeNamespace, openNamespace } from './namespaces.ts';
import { observeNetworks } from './observe.ts';
import { removeNetwork } from './remove.ts';
import { networkThere } from './there.ts';

export function makeNetworkBackend(host: Host): NetworkBackend {
  return {
    choose: request =>
      named(`choose a network for ${request.realm}/${request.space}`, () => chooseNetwork(host, request)),
    observe: ({ configPaths, recorded = [], attachments = '' }) =>
      named('observe networks', () => observeNetworks(host, configPaths, recorded, attachments)),
    define: action(
      ({ name }) => `define network ${name}`,
      (definition, context) => defineNetwork(host, definition, context),
    ),
    remove: action(
      ({ name }) => `remove network ${name}`,
      (ref, context) => removeNetwork(host, ref, context),
    ),
    open: action(
      ({ path }) => `open ${path}`,
      ({ path }) => openNamespace(path),
    ),
    close: action(
      ({ path }) => `close ${path}`,
      ({ path }) => closeNamespace(path),
    ),
    attach: action(
      ({ name }) => `attach to network ${name}`,
      (request, context) => attach(host, request, context),
    ),
    detach: action(
      ({ name }) => `detach from network ${name}`,
      (request, context) => detach(host, request, context),
    ),
    probe: async (request, signal) => (await import('./probe.ts')).probe(request, signal),
    watch: async (changed, signal) => (await import('./watch.ts')).watchNetworks(changed, signal),
    isThere: networkThere(host),
    explain: networkExplain(host),
  };
}

function action<P, R>(
  stepOf: (params: P) => string,
  run: (params: P, context: ActionContext) => R | Promise<R>,
): (params: P, context: ActionContext) => Promise<R> {
  return (params, context) => {
    const step = stepOf(params);
    return named(step, () => {
      if (context.signal.aborted) throw new KukeError('Cancelled', 'it was called off before it began', { step });
      return run(params, context);
    });
  };
}

/** Failures say what was being done. */
async function named<R>(step: string, run: () => R | Promise<R>): Promise<R> {
  try {
    return await run();
  } catch (thrown) {
    throw networkFailure(thrown, step).at({ step });
  }
}
