/** One look at a port in a network namespace: what a health check of a container says of `http` and `tcp`. */
import type { NetworkProbe, ProbeResult } from 'kuke/plugin';
import { SystemError } from '../../src/host/errno.ts';
import { probeHttp, probeTcp } from '../../src/host/net-probe.ts';

/** Rejects with the signal's reason alone. */
export async function probe({ http, ...endpoint }: NetworkProbe, signal: AbortSignal): Promise<ProbeResult> {
  try {
    if (http === undefined) {
      await probeTcp(endpoint, signal);
      return { ok: true, message: `port ${endpoint.port} is open` };
    }
    const status = await probeHttp(endpoint, http, signal);
    return { ok: status >= 200 && status < 400, message: `GET ${http.path}: status ${status}` };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, message: error instanceof SystemError ? message : `port ${endpoint.port}: ${message}` };
  }
}
