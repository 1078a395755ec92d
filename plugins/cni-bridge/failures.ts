/** Failures of CNI, netlink and files as errors for a person: the network, the step, the cause in its own words, and what to do next. */
import { asKukeError, type ErrorCode, KukeError } from 'kuke/plugin';
import { CacheError } from '../../src/cni/cache.ts';
import { ConflistError } from '../../src/cni/conflist.ts';
import { ErrorCode as CniCode, CniError } from '../../src/cni/errors.ts';
import { IptablesError } from '../../src/cni/host-forward/iptables-legacy.ts';
import { hasCode } from '../../src/host/errno.ts';
import { REGENERATE } from './bridge.ts';

/** Any thrown value as a KukeError; what is none yet has failed in `step`. */
export function networkFailure(thrown: unknown, step: string, isRoot = process.getuid?.() === 0): KukeError {
  if (!isRoot && hasCode(thrown, 'EPERM', 'EACCES')) return asKukeError(thrown, 'NotRoot', { step });
  if (thrown instanceof CniError) return fromCni(thrown, step);
  if (thrown instanceof CacheError || thrown instanceof ConflistError) return fromFile(thrown, step);
  if (thrown instanceof IptablesError && thrown.remedy !== undefined) {
    return new KukeError('HostNotReady', thrown.message, { step, cause: thrown, remedy: thrown.remedy });
  }
  const isCalledOff = thrown instanceof Error && thrown.name === 'AbortError';
  return asKukeError(thrown, isCalledOff ? 'Cancelled' : 'NetworkFailed', { step });
}

/** A file that the kernel did not let be read or written, or that says nothing usable. */
function fromFile(error: CacheError | ConflistError, step: string): KukeError {
  const { cause, message } = error;
  const details = { step, cause: error };
  if (hasCode(cause, 'EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY', 'ELOOP'))
    return new KukeError('Conflict', message, { ...details, remedy: 'move away what is there, then run it again' });
  if (hasCode(cause, 'EROFS'))
    return new KukeError('HostNotReady', message, { ...details, remedy: 'mount the file system writable' });
  const isOfKernel = cause instanceof Error && 'code' in cause;
  return new KukeError(isOfKernel ? 'NetworkFailed' : 'MetadataCorrupt', message, details);
}

/** What a CNI operation failed with; the undoing that failed besides is in `also`. */
function fromCni(error: CniError, step: string): KukeError {
  const alone = error.also.length === 0 ? error : new CniError(error.failure);
  const remedy = remedyFor(error);
  const also = error.also.map(one => fromCni(one, 'undo it'));
  const details = { step, cause: error, ...(remedy !== undefined && { remedy }) };
  return new KukeError(codeFor(error), alone.message, details, also);
}

function codeFor({ reason }: CniError): ErrorCode {
  if (reason === 'aborted') return 'Cancelled';
  if (reason === 'timed-out') return 'TimedOut';
  if (reason === 'not-found' || reason === 'not-executable') return 'HostNotReady';
  return 'NetworkFailed';
}

function remedyFor(error: CniError): string | undefined {
  const { plugin, msg } = error.failure;
  if (error.nameTooLong) return REGENERATE;
  if (error.remedy !== undefined) return error.remedy;
  if (/no IP addresses available/i.test(msg)) return 'delete cells of this space, or make a space with a larger range';
  if (error.code === CniCode.TryAgainLater) return 'try again in a moment';
  if (error.reason === 'timed-out')
    return `see what ${plugin} waits for, or raise plugins.cni-bridge.pluginTimeoutSeconds`;
  if (error.reason === 'not-executable') return `make it executable (chmod +x), or install ${plugin} anew`;
  if (error.reason === 'bad-output') return `${plugin} does not speak CNI: put the right program on the CNI path`;
  return undefined;
}

/** Runs all steps, each whatever became of those before it, and throws what failed as one. */
export async function tearDown(steps: Record<string, () => unknown>): Promise<void> {
  const failures: KukeError[] = [];
  for (const [step, run] of Object.entries(steps)) {
    try {
      await run();
    } catch (thrown) {
      failures.push(networkFailure(thrown, step));
    }
  }
  const [first, ...others] = failures;
  if (first !== undefined) throw others.length === 0 ? first : first.with(others);
}
