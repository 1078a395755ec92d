/** What a container's entry in a cell may say (spec.md §3). */
import {
  CAPABILITY_NAMES,
  dependsOn,
  didYouMean,
  imageNameFault,
  isCapability,
  logLimits,
  mountTargetFault,
  NAME_SHAPE,
  nameFault,
  notYetFor,
  PORT_PATTERN,
  portMapping,
  resources,
} from 'kuke/plugin';
import * as v from 'valibot';
import {
  healthcheck,
  onUnhealthy,
  restartMaxRetries,
  restartPolicy,
  stopSignal,
  terminationGracePeriodSeconds,
} from './keeping.ts';

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
  v.description('permissions that the root of a tmpfs has, octal digits in quotes such as "0755"'),
);

const sizeBytes = v.pipe(
  v.number(),
  v.safeInteger('must be a whole number of bytes'),
  v.minValue(1, 'must be at least 1'),
  v.description('the most that a tmpfs may hold, in bytes; absent: half of the host’s memory'),
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
      v.description(
        'what is mounted: `bind`, a file or folder of the host, or `tmpfs`, an empty file system in memory',
      ),
    ),
    source: v.exactOptional(
      v.pipe(absolutePath, v.description('absolute path on the host of what a bind mount shows')),
    ),
    target: v.pipe(mountPoint, v.description('absolute path in the container where it is mounted')),
    readOnly: v.exactOptional(
      v.pipe(v.boolean(), v.description('keeps the container from writing to it; absent: it can')),
    ),
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
  v.metadata({ kuke: { pattern: PORT_PATTERN } }),
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
    v.metadata({ kuke: { pattern: NAME_SHAPE } }),
    v.description('its name, unique in the cell; not `root`'),
  ),
  image: v.pipe(
    text,
    v.minLength(1, 'must not be empty'),
    v.maxLength(512),
    v.check(
      name => name === '' || imageNameFault(name) === undefined,
      issue => imageNameFault(issue.input) ?? '',
    ),
    v.description('what it is made of, as Docker names images: `nginx:alpine`, `registry.example/app@sha256:...`'),
  ),
  imagePullPolicy: v.exactOptional(
    v.pipe(
      v.picklist(['Always', 'IfNotPresent', 'Never']),
      inPlace(),
      v.description('when the image is pulled for a new container; `IfNotPresent` if nobody says, whatever the tag'),
    ),
  ),
  root: v.exactOptional(
    v.pipe(
      v.boolean(),
      v.description(
        'makes it own the network of the cell, start first and stop last; absent: the first container does',
      ),
    ),
  ),
  command: v.exactOptional(
    v.pipe(
      command,
      v.description('replaces ENTRYPOINT of the image; a string is a program, a list a program with its arguments'),
    ),
  ),
  args: v.exactOptional(
    v.pipe(
      v.array(text),
      v.description('replaces CMD of the image; without `command` they are the arguments of ENTRYPOINT'),
    ),
  ),
  workingDir: v.exactOptional(
    v.pipe(absolutePath, v.description('folder that it is started in, as an absolute path; absent: that of the image')),
  ),
  env: v.exactOptional(
    v.pipe(
      v.array(v.pipe(text, v.regex(/^[^=]+=/, 'must be KEY=VALUE'))),
      v.description(
        'environment variables that it is started with, each as KEY=VALUE; they go before those of the image',
      ),
    ),
  ),
  user: v.exactOptional(
    v.pipe(
      text,
      v.regex(/^[^:\s]+(:[^:\s]+)?$/, 'must be a user, or user:group, by name or number'),
      v.description('user, or user:group, that it runs as, by name or number; absent: that of the image, else root'),
    ),
  ),
  tty: v.exactOptional(
    v.pipe(v.boolean(), v.description('gives it a terminal, which `kuke attach` is at; absent: it has none')),
  ),
  stdin: v.exactOptional(
    v.pipe(
      v.boolean(),
      v.description(
        'keeps its standard input for `kuke attach`, open as long as it runs; absent: it reads from nothing',
      ),
    ),
  ),
  stdinOnce: v.exactOptional(
    v.pipe(
      v.boolean(),
      v.description(
        'ends its standard input with that of the first `kuke attach`; with `stdin`, and without `tty`, whose end is a key (Ctrl-D)',
      ),
    ),
  ),
  ports: v.exactOptional(
    v.pipe(
      v.array(port),
      inPlace(),
      v.description(
        '[IP:]HOST:CONTAINER[/tcp|udp]: ports of the host that lead to the cell, from outside and from the host',
      ),
    ),
  ),
  volumes: v.exactOptional(
    v.pipe(
      v.array(volume),
      v.description('files and folders of the host, and file systems in memory, that are mounted into it'),
    ),
  ),
  networks: v.exactOptional(
    v.pipe(
      v.array(v.string()),
      inPlace(),
      v.description(
        'other spaces of the realm that the whole cell joins, as `eth1` and so on; nothing is routed between them',
      ),
    ),
  ),
  networksAliases: v.exactOptional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'is not a host name'))),
      inPlace(),
      v.description('further names that the cell’s /etc/hosts has for the cell itself'),
    ),
  ),
  tmpfs: v.exactOptional(
    v.pipe(
      v.array(
        v.strictObject({
          path: v.pipe(mountPoint, v.description('absolute path in the container where it is mounted')),
          sizeBytes: v.exactOptional(sizeBytes),
          mode: v.exactOptional(mode),
        }),
      ),
      v.description('empty file systems in memory that are mounted into it'),
    ),
  ),
  devices: v.exactOptional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^\/dev\/(?!.*\.\.)[^\0]+$/, 'must be a device such as /dev/kvm'))),
      v.description('devices of the host that it may use, such as /dev/kvm'),
    ),
  ),
  capabilities: v.exactOptional(
    v.pipe(
      v.strictObject({
        add: v.exactOptional(
          v.pipe(
            v.array(capability),
            v.description('capabilities that it is given besides the usual ones; `ALL`: all of them'),
          ),
        ),
        drop: v.exactOptional(
          v.pipe(
            v.array(capability),
            v.description('capabilities that are taken from the usual ones; `ALL`: all of them'),
          ),
        ),
      }),
      v.description('capabilities(7) that it has besides or without those that Docker gives, with or without `CAP_`'),
    ),
  ),
  privileged: v.exactOptional(
    v.pipe(
      v.boolean(),
      v.description('gives it all capabilities and devices, and no seccomp: as good as root on the host; absent: no'),
    ),
  ),
  readOnlyRootFilesystem: v.exactOptional(
    v.pipe(
      v.boolean(),
      v.description('lets it write only to what is mounted into it; absent: to its whole file system'),
    ),
  ),
  securityOpts: v.exactOptional(
    v.pipe(
      v.array(securityOpt),
      v.description(
        'change how it is confined: `no-new-privileges`, `seccomp=unconfined`, `seccomp=/path/of/a/profile.json`',
      ),
    ),
  ),
  resources,
  logs: v.exactOptional(
    v.pipe(
      logLimits,
      inPlace(),
      v.description(
        'how much is kept of what it writes; absent: as the configuration says, else 10Mi in each of 5 files',
      ),
    ),
  ),
  restartPolicy,
  restartMaxRetries,
  healthcheck,
  onUnhealthy,
  dependsOn: dependsOn(
    'container',
    'containers of the cell that come before it; it is stopped before them. The root is always first',
  ),
  terminationGracePeriodSeconds,
  stopSignal,
  hostNetwork: v.exactOptional(
    v.pipe(
      v.boolean(),
      v.description('on the root alone: the cell has the network of the host, and no address of its own'),
    ),
  ),
  labels: v.exactOptional(
    v.pipe(labels, v.description('labels that the containerd container gets, for `ctr` and other tools')),
  ),
});

export type ContainerSpec = v.InferOutput<typeof containerSpec>;
