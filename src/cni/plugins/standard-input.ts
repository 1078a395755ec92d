/** Standard input of a plugin: bounded, and given up when a signal comes. */
import { PluginError } from './plugin-error.ts';

/** A GC of 50,000 attachments fits. */
const LIMIT = 16 << 20;

/** All of it, as UTF-8. Rejects with PluginError, and with the signal's reason when that aborts. */
export async function readInput(signal?: AbortSignal): Promise<string> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {});
  signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  try {
    const reader = Bun.stdin.stream().getReader();
    const decoder = new TextDecoder(); // Buffer takes longer to load than all this
    let text = '';
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), aborted]);
      if (done) return text + decoder.decode();
      text += decoder.decode(value, { stream: true });
      if (text.length > LIMIT) throw new PluginError('DecodingFailure', 'standard input is larger than 16 MiB');
    }
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new PluginError('IoFailure', 'standard input cannot be read', reason, error);
  }
}
