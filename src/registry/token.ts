/** Tokens of a token server (distribution's docs/spec/auth/token.md and oauth.md). */
import { answerFault } from './answer-fault.ts';
import type { Challenge } from './challenge.ts';
import type { Context } from './context.ts';
import { basic, type Credentials } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { printable, RegistryError } from './errors.ts';
import { isLoopback } from './loopback.ts';
import { exchange } from './transport.ts';

export interface Token {
  /** The value of Authorization. */
  authorization: string;
  /** By performance.now(): when a new one has to be had. */
  until: number;
}

type Bearer = Extract<Challenge, { scheme: 'bearer' }>;

// Clouds put long signed documents into theirs.
const answerMax = 1 << 20;
// What the specification says of a token that does not say.
const defaultLifetime = 60;

/** A token for the challenge, anonymous where there are no credentials. Retries as patience allows. */
export async function fetchToken(
  challenge: Bearer,
  credentials: Credentials | undefined,
  endpoint: Endpoint,
  context: Context,
): Promise<Token> {
  const realm = realmOf(challenge, credentials, endpoint);
  const details = { reference: context.name, step: 'log in', server: realm.host };
  const patience = context.patience();
  for (;;) {
    try {
      return await requestToken(realm, challenge, credentials, endpoint, context);
    } catch (error) {
      await patience.afterwards(error instanceof RegistryError ? error.at(details) : error);
    }
  }
}

/** The token server's address, which the registry says: credentials go there only where nobody can listen in. */
function realmOf({ realm }: Bearer, credentials: Credentials | undefined, { url, server }: Endpoint): URL {
  const at = URL.parse(realm);
  const refused = (fault: string) =>
    new RegistryError('refused', `its token server is ${printable(realm, 100)}, ${fault}`, { server, step: 'log in' });
  if (at === null || !/^https?:$/.test(at.protocol)) throw refused('which is no address');
  const isAskedFor = url.protocol === 'http:' && url.hostname === at.hostname;
  if (credentials !== undefined && at.protocol === 'http:' && !isLoopback(at.hostname) && !isAskedFor) {
    throw refused('to which credentials would go in plain text');
  }
  at.username = '';
  at.password = '';
  return at;
}

async function requestToken(
  realm: URL,
  { service, scope }: Bearer,
  credentials: Credentials | undefined,
  { tls }: Endpoint,
  context: Context,
): Promise<Token> {
  const { signal } = context;
  const fields = new URLSearchParams({
    ...(service !== undefined && { service }),
    scope: scope ?? `repository:${context.path}:pull`,
  });
  const url = new URL(realm);
  let form: URLSearchParams | undefined;
  if (credentials !== undefined && 'identityToken' in credentials) {
    form = fields;
    form.set('grant_type', 'refresh_token');
    form.set('client_id', 'kuke');
    form.set('refresh_token', credentials.identityToken);
  } else {
    for (const [name, value] of fields) url.searchParams.append(name, value);
  }
  const headers: Record<string, string> =
    credentials !== undefined && 'username' in credentials ? { authorization: basic(credentials) } : {};
  const request = { url, headers, tls, silence: context.timing.silence, signal };
  const answer = await exchange(form === undefined ? request : { ...request, form });
  if (!answer.isOk) throw await answerFault(answer, signal, context.redact);
  return readToken(await answer.readAll(answerMax, signal), context);
}

function readToken(body: Uint8Array | undefined, context: Context): Token {
  const { token, access_token: access, expires_in: lifetime } = parse(body);
  const value = typeof token === 'string' && token !== '' ? token : access;
  // What would be no header is no token.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new RegistryError('refused', 'its answer holds no token');
  }
  context.keepSecret(value);
  const seconds = typeof lifetime === 'number' && lifetime > 0 ? lifetime : defaultLifetime;
  // A tenth less, for the way there and slow clocks.
  return { authorization: `Bearer ${value}`, until: performance.now() + seconds * 900 };
}

function parse(body: Uint8Array | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
