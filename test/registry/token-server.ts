/** A token server (distribution's docs/spec/auth/token.md, oauth.md) whose tokens docker-registry takes: JWTs signed by ES256. */
import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { basicOf, type Login } from './push.ts';

export interface TokenServer extends Disposable {
  realm: string;
  service: string;
  issuer: string;
  /** `GET alice repository:web:pull`, of each token given or refused; `-` for nobody. */
  seen: string[];
  /** A token for tests themselves to push with. */
  authorization(name: string): Promise<string>;
}

export interface TokenSettings {
  /** PEM. */
  certificate: string;
  key: string;
  /** Who gets tokens; anybody does where not given. */
  login?: Login;
  /** What is taken in place of a login, by POST. */
  identityToken?: string;
  /** Seconds that a token is good for, and says so. */
  lifetime?: number;
}

export function tokenServer(settings: TokenSettings): TokenServer {
  const { login, identityToken, lifetime = 60 } = settings;
  const names = { service: 'kuke-registry', issuer: 'kuke-tokens' };
  const seen: string[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const isPost = request.method === 'POST';
      const fields = isPost ? new URLSearchParams(await request.text()) : new URL(request.url).searchParams;
      const given = request.headers.get('authorization') ?? '';
      const [user] = Buffer.from(given.replace(/^Basic /, ''), 'base64')
        .toString()
        .split(':');
      seen.push(`${request.method} ${given === '' ? '-' : user} ${fields.get('scope')}`);
      const isKnown = isPost
        ? identityToken !== undefined && fields.get('refresh_token') === identityToken
        : login === undefined || given === basicOf(login);
      // As a careless one would: what it was given is in its answer.
      if (!isKnown)
        return Response.json({ details: `wrong login ${given} ${fields.get('refresh_token')}` }, { status: 401 });
      const token = signed(settings, names, fields.get('scope') ?? '', lifetime);
      return Response.json({ [isPost ? 'access_token' : 'token']: token, expires_in: lifetime });
    },
  });
  return {
    ...names,
    realm: `http://127.0.0.1:${server.port}/token`,
    seen,
    authorization: async name => `Bearer ${signed(settings, names, `repository:${name}:pull,push`, 60)}`,
    [Symbol.dispose]: () => server.stop(true),
  };
}

function signed(
  { certificate, key }: TokenSettings,
  { service, issuer }: { service: string; issuer: string },
  scope: string,
  lifetime: number,
): string {
  const [type, name, actions = ''] = scope.split(':');
  const now = Math.floor(Date.now() / 1000);
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const x5c = [certificate.replace(/-----[^-]+-----|\s/g, '')];
  const claims = {
    ...{ iss: issuer, sub: 'alice', aud: service, jti: randomUUID() },
    ...{ iat: now - 10, nbf: now - 10, exp: now + lifetime },
    access: [{ type, name, actions: actions.split(',') }],
  };
  const text = `${part({ typ: 'JWT', alg: 'ES256', x5c })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key: createPrivateKey(key), dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}
