/** One repository of one registry: its tags, manifests and blobs, from its mirrors or itself. */
import { fetchBlob } from './blob.ts';
import { Context } from './context.ts';
import { checkDigest, isDigest } from './digest.ts';
import { defaultCertsFolder, endpointsOf } from './endpoint.ts';
import { RegistryError } from './errors.ts';
import { Host } from './host.ts';
import { fetchManifest, manifestMax } from './manifest.ts';
import { defaultTiming } from './patience.ts';
import type { BlobOptions, Descriptor, RegistryOptions, Repository, Resolved } from './types.ts';

// Configurations are; layers seldom.
const small = 1 << 18;

/** `name` with its registry, in full: `docker.io/library/nginx`. Asks nobody yet. Throws RegistryError `configuration`. */
export function openRepository(name: string, options: RegistryOptions): Repository {
  const { credentials, signal, certsFolder = defaultCertsFolder, plainHttp = false, log, warn } = options;
  const [, registry, path] = /^([A-Za-z0-9.:[\]-]+)\/([a-z0-9][a-z0-9._/-]*)$/.exec(name) ?? [];
  if (registry === undefined || path === undefined || path.split('/').some(part => /^\.*$/.test(part))) {
    throw new RegistryError('configuration', `${JSON.stringify(name.slice(0, 100))} is no REGISTRY/REPOSITORY`);
  }
  const context = new Context(name, path, {
    credentials,
    signal,
    log,
    warn,
    timing: { ...defaultTiming, ...options.timing },
  });
  const endpoints = endpointsOf(registry, { certsFolder, plainHttp, warn: line => context.warn(line) });
  const hosts = endpoints.map((endpoint, index) => new Host(endpoint, context, index === endpoints.length - 1));
  return new Hosts(hosts, context);
}

class Hosts implements Repository {
  readonly #hosts: Host[];
  readonly #context: Context;
  /** By digest: who sent its bytes last, and whose proved to be wrong. */
  readonly #senders = new Map<string, Set<Host>>();
  readonly #rejected = new Map<string, { hosts: Set<Host>; times: number }>();

  constructor(hosts: Host[], context: Context) {
    this.#hosts = hosts;
    this.#context = context;
  }

  async resolve(tagOrDigest: string): Promise<Resolved> {
    const mayAnswer = (host: Host) => host.endpoint.pulls && (host.endpoint.resolves || isDigest(tagOrDigest));
    if (!isDigest(tagOrDigest) && !/^\w[\w.-]{0,127}$/.test(tagOrDigest)) {
      throw new RegistryError(
        'configuration',
        `${JSON.stringify(tagOrDigest.slice(0, 150))} is neither tag nor digest`,
      );
    }
    return this.#firstOf(mayAnswer, host => fetchManifest(host, tagOrDigest, this.#context));
  }

  async manifest(descriptor: Descriptor): Promise<Uint8Array> {
    checkDescriptor(descriptor);
    if (descriptor.size > manifestMax) {
      throw new RegistryError('refused', `its manifest of ${descriptor.size} bytes is over ${manifestMax >> 20} MiB`, {
        reference: this.#context.name,
      });
    }
    const pulls = ({ endpoint }: Host) => endpoint.pulls;
    const { content } = await this.#firstOf(pulls, host => fetchManifest(host, descriptor, this.#context));
    return content;
  }

  async *blob(descriptor: Descriptor, { from = 0, verify = from === 0 }: BlobOptions = {}) {
    checkDescriptor(descriptor);
    if (verify && from === 0 && descriptor.size <= small) yield await this.#whole(descriptor);
    else yield* this.#stream(descriptor, from, verify);
  }

  reject(descriptor: Descriptor): boolean {
    const rejected = this.#rejectedOf(descriptor);
    for (const host of this.#senders.get(descriptor.digest) ?? []) rejected.hosts.add(host);
    rejected.times += 1;
    return rejected.times <= this.#hosts.length;
  }

  #rejectedOf({ digest }: Descriptor): { hosts: Set<Host>; times: number } {
    const rejected = this.#rejected.get(digest) ?? { hosts: new Set(), times: 0 };
    this.#rejected.set(digest, rejected);
    return rejected;
  }

  /** Checked before anybody sees it, so that wrong bytes can be fetched again here. */
  async #whole(descriptor: Descriptor): Promise<Uint8Array<ArrayBuffer>> {
    for (;;) {
      try {
        return new Uint8Array(Buffer.concat(await Array.fromAsync(this.#stream(descriptor, 0, true))));
      } catch (error) {
        if (!(error instanceof RegistryError) || error.code !== 'corrupt' || !this.reject(descriptor)) throw error;
        this.#context.log(`${error.message}; again`);
      }
    }
  }

  async *#stream(
    descriptor: Descriptor,
    from: number,
    verify: boolean,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const { digest, size } = descriptor;
    const hash = verify ? new Bun.CryptoHasher('sha256') : undefined;
    const senders = new Set<Host>();
    this.#senders.set(digest, senders);
    let position = from;
    const faults: Fault[] = [];
    for (const host of this.#inOrder(digest).filter(({ endpoint }) => endpoint.pulls)) {
      if (position >= size) break;
      try {
        for await (const chunk of fetchBlob(host, descriptor, position, this.#context)) {
          senders.add(host);
          position += chunk.length;
          hash?.update(chunk);
          yield chunk;
        }
      } catch (error) {
        this.#passOver(host, error, faults);
      }
    }
    if (position < size) throw this.#worst(faults);
    if (hash !== undefined) this.#verify(descriptor, hash, senders);
  }

  #verify(descriptor: Descriptor, hash: Bun.CryptoHasher, senders: Set<Host>): void {
    try {
      checkDigest(descriptor.digest, `sha256:${hash.digest('hex')}`);
    } catch (error) {
      for (const host of senders) this.#rejectedOf(descriptor).hosts.add(host);
      const server = [...senders].map(({ endpoint }) => endpoint.url.host).join(', ');
      throw error instanceof RegistryError
        ? error.at({ reference: this.#context.name, step: 'verify the blob', server })
        : error;
    }
  }

  async #firstOf<T>(mayAnswer: (host: Host) => boolean, ask: (host: Host) => Promise<T>): Promise<T> {
    const faults: Fault[] = [];
    for (const host of this.#inOrder().filter(mayAnswer)) {
      try {
        return await ask(host);
      } catch (error) {
        this.#passOver(host, error, faults);
      }
    }
    throw this.#worst(faults);
  }

  /** As configured, but last those that sent wrong bytes, and before them those that cannot be reached. */
  #inOrder(digest = ''): Host[] {
    const rejected = this.#rejected.get(digest);
    const rank = (host: Host) => (rejected?.hosts.has(host) === true ? 2 : host.isDown ? 1 : 0);
    return this.#hosts.toSorted((one, other) => rank(one) - rank(other));
  }

  /** Notes that a host failed. Throws what is no fault of a host: the signal's reason. */
  #passOver(host: Host, error: unknown, faults: Fault[]): void {
    if (!(error instanceof RegistryError)) throw error;
    faults.push({ host, error });
    host.isDown = error.code === 'unreachable';
    // That the registry itself fails is told by the error, if no mirror helps.
    const { host: name } = host.endpoint.url;
    if (host !== this.#hosts.at(-1)) this.#context.warn(`${error.message}; passed over`, `${name} ${error.fault}`);
  }

  /** The registry's own fault if it was asked, with what the mirrors said. */
  #worst(faults: Fault[]): RegistryError {
    const last = this.#hosts.at(-1);
    const main = faults.find(({ host }) => host === last) ?? faults.at(-1);
    if (main === undefined) {
      return new RegistryError('configuration', 'its hosts.toml names no host that may be asked for this', {
        reference: this.#context.name,
        remedy: 'add "pull" and "resolve" to the capabilities of one',
      });
    }
    const others = faults.filter(fault => fault !== main);
    if (others.length === 0) return main.error;
    const said = others.map(({ host, error }) => `${host.endpoint.url.host}: ${error.fault}`).join('; ');
    return new RegistryError(main.error.code, `${main.error.fault} (and ${said})`, main.error.details);
  }
}

interface Fault {
  host: Host;
  error: RegistryError;
}

function checkDescriptor({ digest, size }: Descriptor): void {
  if (isDigest(digest) && Number.isSafeInteger(size) && size >= 0) return;
  throw new RegistryError(
    'unsupported',
    `${JSON.stringify(digest).slice(0, 150)} of ${size} bytes is no sha256 descriptor`,
  );
}
