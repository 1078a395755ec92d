/** The versions of the CNI specification that this implementation speaks, and what came with which. */

/** Oldest first. Before 0.3.0 there are no chains, and results have another shape. */
export const VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof VERSIONS)[number];

export const LATEST: CniVersion = '1.1.0';

export const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;

export type Command = (typeof COMMANDS)[number];

/** The first version that knows a command. */
export const SINCE: Readonly<Record<Command, CniVersion>> = {
  ADD: '0.3.0',
  DEL: '0.3.0',
  VERSION: '0.3.0',
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
};

/** From this version on DEL is given the result of the ADD. */
export const DEL_WITH_RESULT: CniVersion = '0.4.0';

export function isVersion(text: string): text is CniVersion {
  return VERSIONS.some(version => version === text);
}

export function atLeast(version: CniVersion, wanted: CniVersion): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(wanted);
}

/** The highest of `offered` that is spoken here (specification, "Version considerations"); undefined where none is. */
export function selectVersion(offered: readonly string[]): CniVersion | undefined {
  return VERSIONS.findLast(version => offered.includes(version));
}
