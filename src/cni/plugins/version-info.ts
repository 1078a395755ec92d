/** The answer to VERSION, which is the same for all plugins. */
import type { JsonObject } from '../json-object.ts';
import { LATEST, VERSIONS } from '../version.ts';

const SEMANTIC = /^\d+\.\d+\.\d+$/;

/** In the version that was asked in, as the specification has it. */
export function versionInfo({ cniVersion }: JsonObject): { cniVersion: string; supportedVersions: string[] } {
  const asked = typeof cniVersion === 'string' && SEMANTIC.test(cniVersion) ? cniVersion : LATEST;
  return { cniVersion: asked, supportedVersions: [...VERSIONS] };
}
