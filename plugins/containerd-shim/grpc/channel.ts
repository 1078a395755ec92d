/** The way to one gRPC server: a connection that is made when it is first needed, and made anew after it was lost. */
import { connectUnix } from '../http2/connect.ts';
import type { Connection } from '../http2/connection.ts';
import { Call, type CallOptions, cancelled } from './call.ts';

export class Channel {
  readonly #path: string;
  #connection: Connection | undefined;
  #connecting: Promise<Connection> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** `method` is `/package.Service/Method`. Throws ConnectError where nobody listens. A call that fails is not tried again. */
  async call(method: string, options: CallOptions): Promise<Call> {
    const connection = this.#connection?.isUsable ? this.#connection : await this.#connect();
    if (options.signal?.aborted) throw cancelled(method, options.signal.reason);
    return new Call(connection, method, options);
  }

  /** Calls under way fail with CANCELLED; a later one connects anew. An open connection without calls holds no process alive. */
  close(): void {
    this.#connection?.close();
    this.#connecting?.then(
      connection => connection.close(),
      () => {},
    );
  }

  /** How many calls are under way on the present connection. */
  get callCount(): number {
    return this.#connection?.streamCount ?? 0;
  }

  #connect(): Promise<Connection> {
    this.#connecting ??= connectUnix(this.#path)
      .then(connection => {
        this.#connection = connection;
        return connection;
      })
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }
}
