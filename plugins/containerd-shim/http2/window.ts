/** Flow control (RFC 9113 §5.2, §6.9): what may be sent, and what we have allowed the peer to send. */
import { Http2Error } from './errors.ts';

export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 2 ** 31 - 1;

/** How many bytes of DATA may be sent. A change of SETTINGS_INITIAL_WINDOW_SIZE can make it negative. */
export class SendWindow {
  #available: number;

  constructor(size: number) {
    this.#available = size;
  }

  get available(): number {
    return Math.max(this.#available, 0);
  }

  take(bytes: number): void {
    this.#available -= bytes;
  }

  /** Throws FLOW_CONTROL_ERROR above 2^31-1. */
  adjust(difference: number): void {
    this.#available += difference;
    if (this.#available > MAX_WINDOW) throw new Http2Error('FLOW_CONTROL_ERROR', 'a window above 2^31-1');
  }
}

/** How many bytes of DATA the peer may still send. */
export class ReceiveWindow {
  readonly #size: number;
  #available: number;
  #consumed = 0;

  constructor(size: number) {
    this.#size = size;
    this.#available = size;
  }

  /** Throws FLOW_CONTROL_ERROR if the peer sent more than it was allowed to. */
  received(bytes: number): void {
    this.#available -= bytes;
    if (this.#available < 0) throw new Http2Error('FLOW_CONTROL_ERROR', 'the peer sent more than its window');
  }

  /** The increment to announce in a WINDOW_UPDATE now; 0 until half of the window has been consumed. */
  consumed(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed * 2 < this.#size) return 0;
    const increment = this.#consumed;
    this.#consumed = 0;
    this.#available += increment;
    return increment;
  }
}
