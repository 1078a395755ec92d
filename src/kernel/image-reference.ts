/** Image names as Docker reads them: `nginx` means `docker.io/library/nginx:latest` (github.com/distribution/reference). */
import { KukeError } from './errors.ts';

/** `repository` with its registry: `docker.io/library/nginx`; empty for a bare digest. Either a tag or a digest is set. */
export interface Reference {
  repository: string;
  tag?: string;
  digest?: string;
}

const defaultRegistry = 'docker.io';
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const registryPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const pathMax = 255;
// More than any registry, path, tag and digest together; keeps the patterns off hostile lengths.
const nameMax = 1024;
const shownMax = 100;

/** The one digest algorithm that containerd's content store writes. */
export const digestPattern = /^sha256:[a-f0-9]{64}$/;

/** Reads a name; with both tag and digest the digest counts, with neither the tag is `latest`. Throws Usage on what is no name. */
export function parseReference(name: string): Reference {
  const read = readReference(name);
  if (typeof read !== 'string') return read;
  throw new KukeError('Usage', `${quoted(name)} ${notAName(name, read)}`, {
    remedy: 'write [REGISTRY/]REPOSITORY[:TAG] or sha256:DIGEST',
  });
}

/** Why `name` is no name of an image, and which one may be meant; undefined when it is one. */
export function imageNameFault(name: string): string | undefined {
  const read = readReference(name);
  return typeof read === 'string' ? notAName(name, read) : undefined;
}

/** What it says, or what is wrong with it. */
function readReference(name: string): Reference | string {
  if (name.length > nameMax) return `it has ${name.length} characters`;
  const bare = /^[a-f0-9]{64}$/.test(name) ? `sha256:${name}` : name;
  if (digestPattern.test(bare)) return { repository: '', digest: bare };

  const at = name.indexOf('@');
  const digest = at < 0 ? undefined : name.slice(at + 1);
  const named = at < 0 ? name : name.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  const { registry, path } = splitRegistry(colon < 0 ? named : named.slice(0, colon));

  const fault = faultOf(registry, path, tag, digest);
  if (fault !== undefined) return fault;
  const repository = `${registry}/${path}`;
  return digest === undefined ? { repository, tag: tag ?? 'latest' } : { repository, digest };
}

/** The full form, under which containerd holds the image. Throws Usage on what is no name. */
export function normaliseName(name: string): string {
  return formatReference(parseReference(name));
}

export function formatReference({ repository, tag, digest }: Reference): string {
  if (digest === undefined) return `${repository}:${tag}`;
  return repository === '' ? digest : `${repository}@${digest}`;
}

/** The short form that a person would type: `nginx:latest` for `docker.io/library/nginx:latest`. */
export function familiarName(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
}

function splitRegistry(name: string): { registry: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isRegistry = /[.:]|^localhost$/.test(first) || first !== first.toLowerCase();
  let registry = isRegistry ? first : defaultRegistry;
  let path = isRegistry ? name.slice(slash + 1) : name;
  if (registry === 'index.docker.io') registry = defaultRegistry;
  if (registry === defaultRegistry && !path.includes('/')) path = `library/${path}`;
  return { registry, path };
}

function faultOf(registry: string, path: string, tag?: string, digest?: string): string | undefined {
  if (!registryPattern.test(registry)) return `${quoted(registry)} is no registry`;
  if (path !== path.toLowerCase()) return 'the repository must be lower case';
  if (path.length > pathMax) return `the repository has ${path.length} characters; at most ${pathMax} are allowed`;
  if (!pathPattern.test(path)) return `${quoted(path)} is no repository`;
  if (tag !== undefined && !tagPattern.test(tag)) return `${quoted(tag)} is no tag`;
  if (digest !== undefined && !digestPattern.test(digest)) return `${quoted(digest)} is no sha256 digest`;
  return undefined;
}

function notAName(name: string, fault: string): string {
  const meant = meantBy(name);
  return `is no image name: ${fault}${meant === undefined ? '' : `; did you mean \`${meant}\`?`}`;
}

/** Without the scheme of a URL, spaces around it and capitals, if that makes it a name. */
function meantBy(name: string): string | undefined {
  if (name.length > nameMax) return undefined;
  const bare = name.trim().replace(/^[a-z]+:\/\//i, '');
  return [bare, bare.toLowerCase()].find(one => one !== name && typeof readReference(one) !== 'string');
}

/** Shortened, and without what moves the cursor or colours the terminal. */
function quoted(text: string): string {
  const shown = JSON.stringify(text.length > shownMax ? `${text.slice(0, shownMax)}…` : text);
  return shown.replace(
    /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu,
    one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
