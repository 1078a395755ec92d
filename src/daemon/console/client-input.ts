/** The client's standard input, as it is asked for: not a byte more is read than a command wants. */
import { flowPoint, readPiece } from '../../host/byte-flow.ts';
import type { Sender } from './mux.ts';

export async function passInput(to: Sender): Promise<void> {
  try {
    using from = flowPoint(0, 'read');
    while (await to.wanted()) {
      const piece = await readPiece(from, to.credit);
      if (piece === undefined) return to.end();
      to.write(piece);
    }
  } catch (thrown) {
    to.fail(faultOf(thrown));
  }
}

export function faultOf(thrown: unknown): { code: string; message: string } {
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  return { code: typeof code === 'string' ? code : 'EIO', message: String(message) };
}
