/** What became of the last change of a resource, where it failed: a part of its status. */
import type { KukeError } from './errors.ts';
import type { Resource } from './kinds.ts';

/** A kind whose status has `lastFailure` hands it on from what is stored, and shows it where what is seen follows from it. */
export function withFailure(resource: Resource, error?: KukeError): Resource {
  const { lastFailure: _, ...before } = resource.manifest.status ?? {};
  const failure = error && { reason: error.code, message: error.message, at: new Date().toISOString() };
  const status = { ...before, ...(failure && { lastFailure: failure }) };
  return { ...resource, manifest: { ...resource.manifest, status } };
}
