/** The environment that programs started by root get: nothing from ours that could run code in them or bend their paths. */

/** Variables that are passed on if they are set: the language, the time zone and the way out. */
const HARMLESS = [
  ...['LANG', 'LC_ALL', 'LC_CTYPE', 'LC_MESSAGES', 'TZ'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'],
];

/** The directories of programs, in Debian's order for root. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * An environment for a child: PATH fixed, HOME root's, what is harmless of ours, and `extra`. It is a list of what may pass, so that
 * BUN_OPTIONS, BUN_BE_BUN, LD_PRELOAD and those not thought of stay out.
 */
export function scrubbedEnvironment(
  extra: Readonly<Record<string, string>> = {},
  from: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const passed = HARMLESS.flatMap(name => (from[name] === undefined ? [] : [[name, from[name]] as const]));
  return { PATH, HOME: '/root', ...Object.fromEntries(passed), ...extra };
}
