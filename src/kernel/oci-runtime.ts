/** Which program runs a container: one rule for the manifest and for the configuration. */
import * as v from 'valibot';

/** `runc`, `crun`, or the absolute path of a program that understands runc's command line. */
export const ociRuntime = v.pipe(
  v.string(),
  v.check(
    name => ['runc', 'crun'].includes(name) || /^\/[^\0]*[^\0/]$/.test(name),
    'must be runc, crun or an absolute path',
  ),
);
