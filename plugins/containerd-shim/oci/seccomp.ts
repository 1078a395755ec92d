/** From a seccomp profile in Docker's format to the OCI runtime's, for one container's capabilities and this host. */
import { readFileSync, statSync } from 'node:fs';
import { KukeError, type OciSpec, type OciSyscallRule } from 'kuke/plugin';
import * as v from 'valibot';

export type OciSeccomp = NonNullable<OciSpec['linux']['seccomp']>;

export interface SeccompTarget {
  capabilities: readonly string[];
  /** Go's name: `amd64`, `arm64`. */
  arch: string;
  /** Kernel version: `[6, 1]`. */
  kernel: readonly [number, number];
}

const names = v.nullish(v.array(v.string()));
const filterSchema = v.object({
  caps: names,
  arches: names,
  minKernel: v.nullish(v.pipe(v.string(), v.regex(/^\d+\.\d+/, 'is not a kernel version such as 4.8'))),
});
const integer = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const ruleSchema = v.object({
  names,
  name: v.optional(v.string()),
  action: v.string(),
  errnoRet: v.nullish(integer),
  args: v.nullish(
    v.array(
      v.object({ index: v.pipe(integer, v.maxValue(5)), value: integer, valueTwo: v.nullish(integer), op: v.string() }),
    ),
  ),
  includes: v.nullish(filterSchema),
  excludes: v.nullish(filterSchema),
});
// What Docker's loader reads of github.com/moby/profiles/seccomp; comments and the like are dropped.
const profileSchema = v.object({
  defaultAction: v.string(),
  defaultErrnoRet: v.nullish(integer),
  architectures: names,
  archMap: v.nullish(v.array(v.object({ architecture: v.string(), subArchitectures: names }))),
  flags: names,
  syscalls: v.nullish(v.array(ruleSchema)),
});

export type SeccompProfile = v.InferOutput<typeof profileSchema>;
export type SeccompRule = v.InferOutput<typeof ruleSchema>;

const NATIVE: Readonly<Record<string, string>> = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' };
const MAX_BYTES = 1 << 20;

/** Reads and checks a profile. Throws InvalidManifest, naming the file. */
export function readProfile(path: string): SeccompProfile {
  const field = 'securityOpts';
  if (!path.startsWith('/'))
    throw new KukeError('InvalidManifest', `seccomp=${path}: give an absolute path`, { field });
  try {
    const file = statSync(path);
    if (!file.isFile()) throw new Error('not a regular file');
    if (file.size > MAX_BYTES) throw new Error(`${file.size} bytes is too large for a seccomp profile`);
    return v.parse(profileSchema, JSON.parse(readFileSync(path, 'utf8')));
  } catch (thrown) {
    const at = v.isValiError(thrown) ? `${v.getDotPath(thrown.issues[0])}: ` : '';
    const message = `${at}${thrown instanceof Error ? thrown.message : String(thrown)}`;
    throw new KukeError('InvalidManifest', message, { field, step: `seccomp profile ${path}`, cause: thrown });
  }
}

/** The rules that hold for this container, as Docker resolves them. Throws InvalidManifest for a profile that contradicts itself. */
export function resolveProfile(profile: SeccompProfile, target: SeccompTarget): OciSeccomp {
  const architectures = resolveArchitectures(profile, target.arch);
  const syscalls = (profile.syscalls ?? []).filter(rule => applies(rule, target)).map(ociRule);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet != null && { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length > 0 && { architectures }),
    ...(profile.flags != null && { flags: profile.flags }),
    syscalls,
  };
}

function resolveArchitectures({ architectures, archMap }: SeccompProfile, arch: string): string[] {
  const listed = architectures ?? [];
  const mapped = archMap ?? [];
  if (listed.length > 0 && mapped.length > 0) {
    throw new KukeError('InvalidManifest', 'a seccomp profile has either architectures or archMap', {
      field: 'securityOpts',
    });
  }
  const native = mapped.find(({ architecture }) => architecture === NATIVE[arch]);
  return native === undefined ? listed : [native.architecture, ...(native.subArchitectures ?? [])];
}

function applies({ includes, excludes }: SeccompRule, { arch, capabilities, kernel }: SeccompTarget): boolean {
  const notBefore = (version: string) => {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
  };
  if (excludes?.arches?.includes(arch)) return false;
  if (excludes?.caps?.some(name => capabilities.includes(name))) return false;
  if (excludes?.minKernel != null && notBefore(excludes.minKernel)) return false;
  if (includes?.arches?.length && !includes.arches.includes(arch)) return false;
  if (includes?.caps?.some(name => !capabilities.includes(name))) return false;
  return includes?.minKernel == null || notBefore(includes.minKernel);
}

function ociRule(rule: SeccompRule): OciSyscallRule {
  const listed = rule.names ?? [];
  if (rule.name !== undefined && listed.length > 0) {
    throw new KukeError('InvalidManifest', `a seccomp rule has either name or names: ${rule.name}`, {
      field: 'securityOpts',
    });
  }
  return {
    names: rule.name === undefined ? listed : [rule.name],
    action: rule.action,
    ...(rule.errnoRet != null && { errnoRet: rule.errnoRet }),
    ...(rule.args != null && {
      args: rule.args.map(({ index, value, valueTwo, op }) => ({
        index,
        value,
        op,
        ...(valueTwo != null && { valueTwo }),
      })),
    }),
  };
}
