/** What a container's entry in a cell may say (spec.md §3). */
import {
  CAPABILITY_NAMES,
  didYouMean,
  isCapability,
  mountTargetFault,
  nameFault,
  notYetFor,
  portMapping,
  resources,
} from 'kuke/plugin';
import * as v from 'valibot';

const absolutePath = v.pipe(v.string(), v.regex(/^\/[^\0]*$/, 'must be an absolute path'));
const text = v.pipe(v.string(), v.regex(/^[^\0]*$/, 'must not contain a NUL character'));
const mountPoint = v.pipe(
  v.string(),
  v.check(
    path => mountTargetFault(path) === undefined,
    issue => mountTargetFault(issue.input) ?? '',
  ),
);
const inPlace = <T>() => v.metadata<T, { kuke: { change: 'in-place' } }>({ kuke: { change: 'in-place' } });

/** As in chmod(1); a number would be read as decimal or as octal, depending on how it is written. */
const mode = v.pipe(
  v.string('must be octal digits in quotes, such as "0755"'),
  v.regex(/^[0-7]{3,4}$/, 'must be octal digits such as "0755"'),
);

const sizeBytes = v.pipe(
  v.number(),
  v.safeInteger('must be a whole number of bytes'),
  v.minValue(1, 'must be at least 1'),
);

/** A program alone (`/bin/sh`, taken whole), or a program and its arguments. */
const command = v.union([
  v.pipe(text, v.minLength(1, 'must not be empty')),
  v.pipe(v.array(text), v.minLength(1, 'must not be empty')),
]);

const volume = v.pipe(
  v.strictObject({
    kind: v.pipe(
      v.picklist(['bind', 'tmpfs', 'volume']),
      notYetFor(kind => kind === 'volume', 'use a bind mount'),
    ),
    source: v.exactOptional(absolutePath),
    target: mountPoint,
    readOnly: v.exactOptional(v.boolean()),
    sizeBytes: v.exactOptional(sizeBytes),
    mode: v.exactOptional(mode),
  }),
  v.check(({ kind, source }) => kind !== 'bind' || source !== undefined, 'a bind mount needs a source'),
  v.check(({ kind, source }) => kind !== 'tmpfs' || source === undefined, 'a tmpfs has no source'),
  v.check(
    ({ kind, mode, sizeBytes }) => kind === 'tmpfs' || (mode ?? sizeBytes) === undefined,
    'only a tmpfs has a mode and a size',
  ),
);

const capability = v.pipe(
  v.string(),
  v.check(
    name => name.toUpperCase() === 'ALL' || isCapability(name),
    issue => `\`${issue.input}\` is no capability${didYouMean(String(issue.input), ['ALL', ...CAPABILITY_NAMES])}`,
  ),
);

/** `8080:80`, `127.0.0.1:8080:80/udp`, `[::1]:8080:80`. */
const port = v.pipe(
  v.string('must be [IP:]HOST:CONTAINER[/tcp|udp] in quotes, such as "8080:80"'),
  v.check(
    text => portMapping(text) !== undefined,
    'must be [IP:]HOST:CONTAINER[/tcp|udp], such as "8080:80" or "127.0.0.1:5353:53/udp", with ports from 1 to 65535',
  ),
  // No answer of a cell gets to ::1: IPv6 has no route_localnet.
  v.check(text => portMapping(text)?.hostIP !== '::1', 'cannot be published on ::1; take 127.0.0.1'),
);

/** containerd keeps them, and takes no more than 4096 bytes of each. */
const labels = v.pipe(
  v.record(v.string(), v.string()),
  v.check(all => !Object.keys(all).includes(''), 'a label needs a name'),
  v.check(
    all => Object.entries(all).every(([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(value) <= 4096),
    'a label may have 4096 bytes, name and value together',
  ),
);

const securityOpt = v.pipe(
  v.string(),
  v.regex(
    /^(no-new-privileges|seccomp=unconfined|seccomp=\/.+)$/,
    'must be no-new-privileges, seccomp=unconfined or seccomp=/path/of/a/profile',
  ),
);

/** What stands here takes a new container to change, save where it says otherwise. */
export const containerSpec = v.strictObject({
  id: v.pipe(
    v.string(),
    v.check(
      id => nameFault(id) === undefined,
      issue => nameFault(issue.input) ?? '',
    ),
    v.check(id => id.toLowerCase() !== 'root', 'may not be `root`, which names the root container in containerd'),
  ),
  image: v.pipe(text, v.minLength(1, 'must not be empty'), v.maxLength(512)),
  imagePullPolicy: v.exactOptional(
    v.pipe(
      v.picklist(['Always', 'IfNotPresent', 'Never']),
      notYetFor(policy => policy === 'Always', 'images are loaded from files'),
      inPlace(),
    ),
  ),
  root: v.exactOptional(v.boolean()),
  command: v.exactOptional(command),
  args: v.exactOptional(v.array(text)),
  workingDir: v.exactOptional(absolutePath),
  env: v.exactOptional(v.array(v.pipe(text, v.regex(/^[^=]+=/s, 'must be KEY=VALUE')))),
  user: v.exactOptional(
    v.pipe(text, v.regex(/^[^:\s]+(:[^:\s]+)?$/, 'must be a user, or user:group, by name or number')),
  ),
  ports: v.exactOptional(v.pipe(v.array(port), inPlace())),
  volumes: v.exactOptional(v.array(volume)),
  networks: v.exactOptional(v.pipe(v.array(v.string()), inPlace())),
  networksAliases: v.exactOptional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'is not a host name'))),
      inPlace(),
    ),
  ),
  tmpfs: v.exactOptional(
    v.array(v.strictObject({ path: mountPoint, sizeBytes: v.exactOptional(sizeBytes), mode: v.exactOptional(mode) })),
  ),
  devices: v.exactOptional(
    v.array(v.pipe(v.string(), v.regex(/^\/dev\/(?!.*\.\.)[^\0]+$/, 'must be a device such as /dev/kvm'))),
  ),
  capabilities: v.exactOptional(
    v.strictObject({ add: v.exactOptional(v.array(capability)), drop: v.exactOptional(v.array(capability)) }),
  ),
  privileged: v.exactOptional(v.boolean()),
  readOnlyRootFilesystem: v.exactOptional(v.boolean()),
  securityOpts: v.exactOptional(v.array(securityOpt)),
  resources,
  restartPolicy: v.exactOptional(
    v.pipe(
      v.picklist(['never', 'on-failure', 'always']),
      notYetFor(policy => policy !== 'never', 'containers are started by `kuke start`'),
      inPlace(),
    ),
  ),
  hostNetwork: v.exactOptional(v.boolean()),
  labels: v.exactOptional(labels),
});

export type ContainerSpec = v.InferOutput<typeof containerSpec>;
