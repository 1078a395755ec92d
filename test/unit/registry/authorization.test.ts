/** Logging in: tokens and passwords, and where they never go. */
import { afterEach, describe, expect, test } from 'bun:test';
import { type Credentials, openRepository, type RegistryOptions } from '../../../src/registry/index.ts';
import { failure, type Script, type ScriptedRegistry, scriptedRegistry } from '../../registry/scripted-registry.ts';

const password = 'pass-word-77';
const alice: Credentials = { username: 'alice', password };
const basic = `Basic ${btoa(`alice:${password}`)}`;
const layer = crypto.getRandomValues(new Uint8Array(1000));

const servers: ScriptedRegistry[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server[Symbol.dispose]();
});
function serve(script: Script = {}): ScriptedRegistry {
  const server = scriptedRegistry(script);
  servers.push(server);
  return server;
}

const lines: string[] = [];
function open(host: string, options: Partial<RegistryOptions> = {}) {
  lines.length = 0;
  return openRepository(`${host}/web`, {
    credentials: async () => undefined,
    signal: new AbortController().signal,
    certsFolder: '/nonexistent',
    log: line => lines.push(line),
    warn: line => lines.push(line),
    timing: { backoff: 1, longestBackoff: 2, silence: 20_000 },
    ...options,
  });
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    one => one,
  );
  if (!(error instanceof Error)) throw new Error('it did not fail');
  return error;
}

const authorizations = ({ seen }: ScriptedRegistry) => seen.map(({ headers }) => headers.authorization);

/** A token server, and a registry that wants its tokens; each token is good for `uses` requests. */
function withTokens({ uses = 1000, realm, lifetime = 60 }: { uses?: number; realm?: string; lifetime?: number } = {}) {
  let given = 0;
  let used = 0;
  const tokens = serve({
    answer: ({ headers, body }) => {
      used = 0;
      if (headers.authorization === undefined && !body.includes('refresh_token=identity-5'))
        return failure(401, 'NO', 'no');
      given += 1;
      return Response.json({ access_token: `token-${given}`, expires_in: lifetime });
    },
  });
  const challenge = `Bearer realm="${realm ?? `http://${tokens.host}/t`}",service="that, \\"one\\"",scope="repository:web:pull"`;
  const registry = serve({
    answer: ({ headers }) => {
      used += 1;
      if (headers.authorization === `Bearer token-${given}` && used <= uses) return undefined;
      return failure(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
    },
  });
  const image = registry.add('web', '1', layer);
  return { registry, tokens, image };
}

describe('tokens', () => {
  test('are fetched once for all that is pulled, with service and scope as asked', async () => {
    const { registry, tokens, image } = withTokens();
    const repository = open(registry.host, { credentials: async () => alice });
    await repository.resolve('1');
    await Promise.all([repository.manifest(image.manifest), repository.manifest(image.manifest)]);
    expect(tokens.seen).toHaveLength(1);
    const [{ method, query, headers } = { method: '', query: '', headers: {} }] = tokens.seen;
    expect(method).toBe('GET');
    expect(Object.fromEntries(new URLSearchParams(query))).toEqual({
      service: 'that, "one"',
      scope: 'repository:web:pull',
    });
    expect(headers).toMatchObject({ authorization: basic });
    expect(authorizations(registry)).toEqual([undefined, ...Array(3).fill('Bearer token-1')]);
  });

  test('that run out in the middle are fetched again, once for those that wait', async () => {
    const { registry, tokens, image } = withTokens({ uses: 3 });
    const repository = open(registry.host, { credentials: async () => alice });
    for (let round = 0; round < 4; round++) {
      await Promise.all([repository.resolve('1'), repository.manifest(image.manifest)]);
    }
    expect(tokens.seen.length).toBeGreaterThan(2);
    expect(tokens.seen.length).toBeLessThan(6);
  });

  test('that say that they have run out are not sent', async () => {
    const { registry, tokens } = withTokens({ lifetime: 0.001 });
    const repository = open(registry.host, { credentials: async () => alice });
    await repository.resolve('1');
    await Bun.sleep(5);
    await repository.resolve('1');
    expect(tokens.seen).toHaveLength(2);
    expect(authorizations(registry)).toEqual([undefined, 'Bearer token-1', 'Bearer token-2']);
  });

  test('for an identity token by POST', async () => {
    const { registry, tokens } = withTokens();
    await open(registry.host, { credentials: async () => ({ identityToken: 'identity-5' }) }).resolve('1');
    const [{ method, query, body } = { method: '', query: '', body: '' }] = tokens.seen;
    expect([method, query]).toEqual(['POST', '']);
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      service: 'that, "one"',
      scope: 'repository:web:pull',
      grant_type: 'refresh_token',
      client_id: 'kuke',
      refresh_token: 'identity-5',
    });
  });

  test('refused: the token server is named with its words', async () => {
    const { registry, tokens } = withTokens();
    const error = await failureOf(open(registry.host).resolve('1'));
    expect(error).toMatchObject({
      code: 'unauthorized',
      details: { step: 'log in', server: tokens.host, status: 401 },
    });
    expect(error.message).toContain('NO: no');
    expect(tokens.seen).toHaveLength(1);
  });

  test.each(['http://tokens.example/t', 'http://10.0.0.1/t', 'ftp://127.0.0.1/t', 'nothing', 'file:///etc/passwd'])(
    'credentials do not go to %s',
    async realm => {
      const { registry } = withTokens({ realm });
      const error = await failureOf(open(registry.host, { credentials: async () => alice }).resolve('1'));
      expect(error).toMatchObject({ code: 'refused' });
      expect(error.message).toContain(realm);
    },
  );

  test('an answer without a token, or with one that is no header, is refused', async () => {
    for (const body of ['{}', 'x', '{"token":"a\\r\\nb: c"}', '[]', 'null']) {
      const tokens = serve({ answer: () => new Response(body) });
      const challenge = { 'www-authenticate': `Bearer realm="http://${tokens.host}/"` };
      const registry = serve({ answer: () => failure(401, 'NO', 'no', challenge) });
      const error = await failureOf(open(registry.host).resolve('1'));
      expect(error.message).toContain('its answer holds no token');
    }
  });
});

describe('basic auth', () => {
  const wanting = (want: string) =>
    serve({
      answer: ({ headers }) =>
        headers.authorization === want
          ? undefined
          : // As a careless one would: what it was given is in its answer.
            failure(401, 'UNAUTHORIZED', `not ${headers.authorization} ${password}`, {
              'www-authenticate': 'Basic realm="x"',
            }),
    });

  test('is sent once it is asked for', async () => {
    const registry = wanting(basic);
    registry.add('web', '1', layer);
    const asked: string[] = [];
    const credentials = async (server: string) => {
      asked.push(server);
      return alice;
    };
    const repository = open(registry.host, { credentials });
    await repository.resolve('1');
    await repository.resolve('1');
    expect(authorizations(registry)).toEqual([undefined, basic, basic]);
    expect(asked).toEqual([registry.host]);
  });

  test('wrong, it is tried once, and nowhere to be read', async () => {
    const registry = wanting('other');
    const error = await failureOf(open(registry.host, { credentials: async () => alice }).resolve('1'));
    expect(error).toMatchObject({ code: 'unauthorized', details: { status: 401 } });
    expect(error.message).toContain('UNAUTHORIZED: not ');
    expect(authorizations(registry)).toEqual([undefined, basic]);
    for (const secret of [password, btoa(`alice:${password}`)]) {
      expect(Bun.inspect(error)).not.toContain(secret);
      expect(lines.join()).not.toContain(secret);
    }
  });

  test('without credentials: 401 is told', async () => {
    const registry = wanting(basic);
    const error = await failureOf(open(registry.host).resolve('1'));
    expect(error).toMatchObject({ code: 'unauthorized', details: { status: 401 } });
  });
});

describe('redirects', () => {
  test('take neither password nor headers of hosts.toml to another host', async () => {
    const elsewhere = serve({ answer: ({ path }) => (path === '/blob' ? new Response(layer) : undefined) });
    const registry = serve({
      answer: ({ path, headers }) => {
        const challenge = { 'www-authenticate': 'Basic realm="x"' };
        if (headers.authorization !== basic) return failure(401, 'NO', 'no', challenge);
        const location = `http://mallory:secret@${elsewhere.host}/blob`;
        return path.includes('/blobs/') ? new Response('', { status: 307, headers: { location } }) : undefined;
      },
    });
    const image = registry.add('web', '1', layer);
    const [blob] = image.layers;
    const repository = open(registry.host, { credentials: async () => alice });
    const found: Uint8Array[] = [];
    if (blob !== undefined) for await (const chunk of repository.blob(blob)) found.push(chunk);
    expect(Buffer.concat(found)).toEqual(Buffer.from(layer));
    expect(authorizations(registry)).toEqual([undefined, basic]);
    expect(authorizations(elsewhere)).toEqual([undefined]);
  });

  test.each([
    ['file:///etc/passwd', 'redirects to file:'],
    ['http://[', 'redirects to no address'],
    ['/v2/web/manifests/1', 'more than 5 redirects'],
  ])('to %s are refused', async (location, fault) => {
    const registry = serve({ answer: () => new Response('', { status: 307, headers: { location } }) });
    const error = await failureOf(open(registry.host).resolve('1'));
    expect(error).toMatchObject({ code: 'refused', message: expect.stringContaining(fault) });
  });
});
