/** `securityOpts`: `no-new-privileges`, `seccomp=unconfined`, `seccomp=FILE`. */
import { KukeError } from 'kuke/plugin';
import { readProfile, type SeccompProfile } from './seccomp.ts';
import { DEFAULT_PROFILE } from './seccomp-profile.ts';

export interface Security {
  noNewPrivileges: boolean;
  /** Undefined: unconfined. */
  seccomp: SeccompProfile | undefined;
}

/** A privileged container is unconfined unless it names a profile. Throws InvalidManifest for an option that is none. */
export function security(options: readonly string[], privileged: boolean): Security {
  const result: Security = { noNewPrivileges: false, seccomp: privileged ? undefined : DEFAULT_PROFILE };
  for (const option of options) {
    const [key, value] = split(option);
    if (key === 'no-new-privileges' && (value === undefined || value === 'true' || value === 'false')) {
      result.noNewPrivileges = value !== 'false';
    } else if (key === 'seccomp' && value !== undefined) {
      result.seccomp = value === 'unconfined' ? undefined : readProfile(value);
    } else {
      throw new KukeError('InvalidManifest', `${JSON.stringify(option)} is not a security option`, {
        field: 'securityOpts',
        remedy: 'give no-new-privileges, seccomp=unconfined or seccomp=FILE',
      });
    }
  }
  return result;
}

function split(option: string): [key: string, value: string | undefined] {
  const at = option.indexOf('=');
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}
