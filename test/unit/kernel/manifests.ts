/** Manifests with any of the fields that each kind accepts, as fast-check arbitraries. */
import fc from 'fast-check';

/** Text as a person or a hostile program would write it; no NUL, which Linux has no room for. */
export const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter(value => !value.includes('\0')),
  fc.string({
    unit: fc.constantFrom(' ', '\n', '\r', '\t', 'a', ':', '#', '-', '"', "'", '|', '>', '*', '&'),
    maxLength: 8,
  }),
  fc.constantFrom(
    '',
    'yes',
    '0755',
    '1e3',
    '~',
    '<<',
    '2024-01-01',
    '12:30',
    'null',
    '{}',
    '[',
    '\u0085',
    '\u2028',
    '\ufeff',
  ),
);

const name = fc.stringMatching(/^[a-z0-9]{1,6}(-[A-Z0-9]{1,4})?$/).filter(value => value.toLowerCase() !== 'root');
const absolutePath = fc.stringMatching(/^\/[ -~]{0,12}$/);
/** No two of a cell are the same. */
const mountPoint = fc.uuid().chain(id => fc.stringMatching(/^[ -.0-~]{0,12}$/).map(name => `/${name}${id}`));
/** Also one that could be taken for a reference of a plan's. */
const labelName = fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: fc.constant('$ref') });
const labels = fc.dictionary(labelName, text, { maxKeys: 3 }).map(made => {
  // Names of JavaScript's own are refused.
  const reserved = ['constructor', 'prototype', '__proto__'];
  return Object.fromEntries(Object.entries(made).filter(([key]) => !reserved.includes(key)));
});
const mode = fc.constantFrom('755', '1777', '0700');
const sizeBytes = fc.integer({ min: 1, max: 2 ** 40 });
const capability = fc.constantFrom('NET_ADMIN', 'CAP_CHOWN', 'ALL');
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 3 });

const optional = <T extends Record<string, fc.Arbitrary<unknown>>>(fields: T) =>
  fc.record(fields, { requiredKeys: [] });

const volume = fc.oneof(
  fc.record(
    { kind: fc.constant('bind'), source: absolutePath, target: mountPoint, readOnly: fc.boolean() },
    { requiredKeys: ['kind', 'source', 'target'] },
  ),
  fc.record({ kind: fc.constant('tmpfs'), target: mountPoint, sizeBytes, mode }, { requiredKeys: ['kind', 'target'] }),
);

const bytes = fc.oneof(fc.constantFrom('512Mi', '1.5Gi', '1e9', '64M', 4096), fc.integer({ min: 1, max: 2 ** 32 }));
const rate = fc.constantFrom(2, '1Mi', '500k');
const weight = fc.integer({ min: 1, max: 10_000 });
/** What the fakes' host can give. */
export const resources = optional({
  cpu: optional({ limit: fc.constantFrom(1.5, '500m', 2, '0.1'), weight, cpuset: fc.constantFrom('0', 0) }),
  memory: optional({ limit: bytes, high: bytes, reservation: bytes, swap: fc.oneof(bytes, fc.constant(0)) }),
  io: optional({
    weight,
    devices: optional({ readBps: rate, writeBps: rate, readIops: rate, writeIops: rate })
      .filter(rates => Object.keys(rates).length > 0)
      .map(rates => [{ path: '/dev/vda', ...rates }]),
  }),
  pids: optional({ limit: fc.integer({ min: 1, max: 10_000 }) }),
  hugepages: optional({ '2Mi': fc.constantFrom('64Mi', 0), '1Gi': fc.constant('2Gi') }),
});

export const IMAGES = ['busybox', 'docker.io/library/other:1', 'registry.example:5000/team/app'];

/** All but `root` and `hostNetwork`, which the cell sets. */
export const containerFields = {
  id: name,
  image: fc.constantFrom(...IMAGES),
  imagePullPolicy: fc.constantFrom('Always', 'IfNotPresent', 'Never'),
  command: fc.oneof(
    text.filter(value => value !== ''),
    fc.array(text, { minLength: 1, maxLength: 3 }),
  ),
  args: some(text),
  workingDir: absolutePath,
  env: some(fc.tuple(fc.stringMatching(/^[A-Z_]{1,5}$/), text).map(([key, value]) => `${key}=${value}`)),
  user: fc.constantFrom('root', '1000', 'www-data:33'),
  tty: fc.boolean(),
  stdin: fc.boolean(),
  /** Only where `stdin` is, and `tty` is not. */
  stdinOnce: fc.boolean(),
  /** Told apart by `apart`, since a port of the host leads to one place. */
  ports: some(fc.constantFrom(':80', ':8080/tcp', ':53/udp')),
  volumes: some(volume),
  networks: fc.subarray(['default', 'backend']),
  networksAliases: some(fc.constantFrom('db', 'db.internal', 'a-b')),
  tmpfs: some(fc.record({ path: mountPoint, sizeBytes, mode }, { requiredKeys: ['path'] })),
  devices: some(fc.constantFrom('/dev/null', '/dev/net/tun')),
  capabilities: optional({ add: some(capability), drop: some(capability) }),
  privileged: fc.boolean(),
  readOnlyRootFilesystem: fc.boolean(),
  securityOpts: some(fc.constantFrom('no-new-privileges', 'seccomp=unconfined', 'seccomp=/etc/profile.json')),
  logs: optional({ maxSize: fc.constantFrom('1Mi', 131_072), maxFiles: fc.integer({ min: 1, max: 9 }) }),
  restartPolicy: fc.constantFrom('never', 'on-failure', 'always'),
  restartMaxRetries: fc.nat(10),
  healthcheck: fc
    .record({
      check: fc.constantFrom(
        { exec: { command: ['/bin/true'] } },
        { http: { port: 80, path: '/well?all', headers: { Host: 'a' } } },
        { tcp: { port: 5432, host: '::1' } },
      ),
      times: optional({
        interval: fc.constantFrom('10s', 5, '500ms'),
        timeout: fc.constantFrom('1m', '1.5s'),
        retries: fc.integer({ min: 1, max: 9 }),
        startPeriod: fc.constantFrom('0s', '2h'),
      }),
    })
    .map(({ check, times }) => ({ ...check, ...times })),
  onUnhealthy: fc.constantFrom('restart', 'stop', 'none'),
  /** Whom they wait for is in cell-order.test.ts. */
  dependsOn: fc.constant([]),
  terminationGracePeriodSeconds: fc.nat(60),
  stopSignal: fc.constantFrom('SIGQUIT', 'usr1', '3', 'SIGRTMIN+3'),
  resources,
  labels: labels.map(({ '': _, ...named }) => named),
};

const apart = (ports: string[], container: number) =>
  ports.map((port, i) => `${['', '127.0.0.1:', '[fd00::1]:'][i % 3]}${1000 * (container + 1) + i}${port}`);

const containers = fc
  .uniqueArray(fc.record(containerFields, { requiredKeys: ['id', 'image'] }), {
    selector: one => one.id.toLowerCase(),
    maxLength: 3,
  })
  .chain(list => fc.tuple(fc.constant(list), fc.nat({ max: list.length }), fc.boolean(), fc.boolean()))
  .map(([list, root, said, hostNetwork]) =>
    list.map(({ stdinOnce, ...rest }, index) => {
      const given = { ...rest, ...(rest.stdin && !rest.tty && stdinOnce !== undefined && { stdinOnce }) };
      if (given.healthcheck === undefined) delete given.onUnhealthy;
      const one = given.ports && { ...given, ports: hostNetwork ? [] : apart(given.ports, index) };
      const joined = { ...given, ...one, ...(given.networks && hostNetwork && { networks: [] }) };
      if (index !== root % list.length) return joined;
      return { ...joined, ...(said && { root: true }), ...(hostNetwork && { hostNetwork, networks: [] }) };
    }),
  )
  // Where nobody says so the first one is the root.
  .filter(list => list.every((one, index) => !('hostNetwork' in one) || 'root' in one || index === 0));

const given = (kind: string, spec: fc.Arbitrary<Record<string, unknown>>) =>
  fc
    .record({
      metadata: optional({ labels, annotations: labels }),
      spec,
      own: fc.stringMatching(/^[a-z0-9]{1,6}$/),
      id: fc.boolean(),
    })
    .map(({ metadata, spec, own, id }) => ({
      apiVersion: 'v1beta1',
      kind,
      metadata: { name: `${kind}-${own}`, ...metadata },
      spec: { ...(id && { id: `${kind}-${own}` }), ...spec },
    }));

const realmId = fc.constant('main');
const spaceId = fc.constant('default');
const byte = fc.nat({ max: 255 });
const range4 = fc.tuple(byte, byte).map(([a, b]) => `172.${16 + (a % 16)}.${b}.0/24`);
const range6 = fc.tuple(byte, byte).map(([a, b]) => `fd00:${a + 1}:${b + 1}::/64`);

/** What a space may give to its containers. */
const inherited = (({ user, tmpfs, capabilities, readOnlyRootFilesystem, securityOpts }) => ({
  resources,
  user,
  tmpfs,
  capabilities,
  readOnlyRootFilesystem,
  securityOpts,
}))(containerFields);

export const manifests = {
  Realm: given(
    'Realm',
    optional({
      resources,
      registryCredentials: fc.subarray([
        { server: 'docker.io', username: 'me', passwordFile: '/etc/hub' },
        { server: 'registry.example:5000', identityTokenFile: 'a/token' },
      ]),
      namespace: fc.stringMatching(/^[a-z0-9]{1,6}([._-][A-Z0-9]{1,4})?$/).map(one => `other-${one}`),
    }),
  ),
  Space: given(
    'Space',
    optional({
      resources,
      defaults: optional({ container: optional(inherited) }),
      realmId,
      cniConfigPath: fc.constantFrom('/etc/cni/net.d', '/srv/cni dir/net.d'),
      network: fc.oneof(
        optional({ subnet: range4, ipv6: fc.boolean() }),
        optional({ subnets: fc.oneof(fc.tuple(range4), fc.tuple(range6), fc.tuple(range4, range6)) }),
      ),
    }),
  ),
  Stack: given('Stack', optional({ realmId, spaceId, resources })),
  Cell: given(
    'Cell',
    optional({
      realmId,
      spaceId,
      stackId: spaceId,
      desiredState: fc.constantFrom('running', 'stopped'),
      runtime: fc.constantFrom('runc', 'crun'),
      resources,
      autoDelete: fc.boolean(),
      dependsOn: fc.constant([]),
      initContainers: fc.subarray([{ id: 'before-1', image: 'busybox', command: ['sh', '-c', 'exit 0'] }]),
      containers,
    }),
  ).chain(manifest =>
    // The root's name instead of its mark.
    fc.boolean().map(byName => {
      const list = (manifest.spec as { containers?: { id: string; root?: true }[] }).containers ?? [];
      const root = list.find(one => one.root);
      return byName && root ? { ...manifest, spec: { ...manifest.spec, rootContainerId: root.id } } : manifest;
    }),
  ),
};
