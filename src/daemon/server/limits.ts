/** What the server gives to one client, and to all. A client that wants more is told so, and holds nobody up. */

export const LIMITS = {
  /** Of the request's line and headers. */
  headerBytes: 16 * 1024,
  bodyBytes: 8 * 1024 * 1024,
  /** Of all requests at once. */
  bodiesBytes: 64 * 1024 * 1024,
  /** From the first byte of a request to its last. */
  requestMs: 30_000,
  /** How long a connection may wait for its next request. */
  idleMs: 60_000,
  connections: 2048,
  connectionsPerUser: 1536,
  /** That are answered at once; watching clients, and others that are sent what comes, are no such. */
  requests: 256,
  requestsPerUser: 128,
  /** Changes that run or wait for the lock. */
  changes: 64,
  /** How long a reader may not read before it is given up. */
  unreadMs: 30_000,
  /** What is kept for a reader that is slow. */
  unreadBytes: 1024 * 1024,
} as const;

export type Limits = { [Name in keyof typeof LIMITS]: number };
