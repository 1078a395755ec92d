/** What an HTTP answer that is none of what was asked for means, in the registry's own words. */
import { printable, RegistryError, type RegistryErrorCode } from './errors.ts';
import { retryAfter } from './patience.ts';
import type { Answer } from './transport.ts';

// A registry says what it has to say in far less.
const most = 8192;

/** Reads the answer's body. `redact` takes out what must not be told. */
export async function answerFault(
  answer: Answer,
  signal: AbortSignal,
  redact: (text: string) => string,
): Promise<RegistryError> {
  const { status } = answer;
  const body = await answer.readAll(most, signal).catch(() => undefined);
  signal.throwIfAborted();
  // Taken out behind JSON's escapes, and before it is cut: the beginning of a secret is one too.
  const said = printable(redact(messageIn(body === undefined ? '' : new TextDecoder().decode(body))));
  const code = codeOf(status);
  const wait = retryAfter(answer.headers.get('retry-after'));
  const late = wait === undefined || wait <= 60_000 ? '' : `; it asks to wait ${minutes(wait)}`;
  return new RegistryError(code, `${nameOf(status)}${said === '' ? '' : `: ${said}`}${late}`, {
    server: answer.url.host,
    status,
    transient: status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501),
    ...(wait !== undefined && { retryAfter: wait }),
  });
}

const day = 24 * 60 * 60_000;
const minutes = (wait: number) => (wait > day ? 'more than a day' : `${Math.ceil(wait / 60_000)} minutes`);

function codeOf(status: number): RegistryErrorCode {
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 404) return 'not-found';
  if (status === 429) return 'rate-limited';
  return status >= 500 ? 'server-failed' : 'refused';
}

const names: Record<number, string> = {
  400: 'bad request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not found',
  407: 'the proxy wants a login',
  408: 'timed out',
  416: 'range not satisfiable',
  429: 'too many requests',
  500: 'internal error',
  502: 'bad gateway',
  503: 'unavailable',
  504: 'gateway timed out',
};

const nameOf = (status: number) => `HTTP ${status}${names[status] === undefined ? '' : ` (${names[status]})`}`;

/** `errors[].code` and `.message` (distribution-spec, Error codes), a token server's `details`, or the text as it is; not a page of HTML. */
function messageIn(body: string): string {
  const parsed = parse(body);
  if (parsed === undefined) return /^\s*</.test(body) ? '' : body;
  const { errors, details, error_description: description, message } = parsed;
  const listed = Array.isArray(errors) ? errors.map(oneError).filter(text => text !== '') : [];
  const other = [details, description, message].find(text => typeof text === 'string');
  return listed.length > 0 ? listed.slice(0, 3).join('; ') : typeof other === 'string' ? other : '';
}

function oneError(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { code, message }: { code?: unknown; message?: unknown } = error;
  return [code, message].filter(text => typeof text === 'string' && text !== '').join(': ');
}

function parse(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
