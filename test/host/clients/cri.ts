/** A client of containerd's CRI (kubernetes/cri-api, runtime.v1), as a kubelet is one: what is needed to run a pod with a container. */
import { basename } from 'node:path';
import { type Bound, type Caller, unary } from '../../../plugins/containerd-shim/client/method.ts';
import { Channel } from '../../../plugins/containerd-shim/grpc/channel.ts';
import { map, message, repeated } from '../../../plugins/containerd-shim/grpc/message.ts';
import { isGrpcError } from '../../../plugins/containerd-shim/grpc/status.ts';
import { IMAGE, untilServing } from './web.ts';

const Empty = message({});

const PortMapping = message({ containerPort: [2, 'int32'], hostPort: [3, 'int32'] });
const PodSandboxConfig = message({
  metadata: [1, message({ name: [1, 'string'], uid: [2, 'string'], namespace: [3, 'string'], attempt: [4, 'uint32'] })],
  hostname: [2, 'string'],
  portMappings: [5, repeated(PortMapping)],
});
const Sandbox = message({ podSandboxId: [1, 'string'] });
const PodSandboxStatus = message({
  network: [5, message({ ip: [1, 'string'], additionalIps: [2, repeated(message({ ip: [1, 'string'] }))] })],
});
const ContainerConfig = message({
  metadata: [1, message({ name: [1, 'string'], attempt: [2, 'uint32'] })],
  image: [2, message({ image: [1, 'string'] })],
  command: [3, repeated('string')],
});
const Container = message({ containerId: [1, 'string'] });
const Condition = message({ type: [1, 'string'], status: [2, 'bool'], reason: [3, 'string'], message: [4, 'string'] });

const method = (name: string) => `/runtime.v1.RuntimeService/${name}`;
const METHODS = {
  status: unary(
    method('Status'),
    Empty,
    message({ status: [1, message({ conditions: [1, repeated(Condition)] })] }),
    answer => answer.status,
  ),
  runPodSandbox: unary(method('RunPodSandbox'), message({ config: [1, PodSandboxConfig] }), Sandbox),
  podSandboxStatus: unary(
    method('PodSandboxStatus'),
    message({ podSandboxId: [1, 'string'], verbose: [2, 'bool'] }),
    message({ status: [1, PodSandboxStatus], info: [2, map('string')] }),
  ),
  stopPodSandbox: unary(method('StopPodSandbox'), Sandbox, Empty),
  removePodSandbox: unary(method('RemovePodSandbox'), Sandbox, Empty),
  createContainer: unary(
    method('CreateContainer'),
    message({ podSandboxId: [1, 'string'], config: [2, ContainerConfig], sandboxConfig: [3, PodSandboxConfig] }),
    Container,
  ),
  startContainer: unary(method('StartContainer'), Container, Empty),
  execSync: unary(
    method('ExecSync'),
    message({ containerId: [1, 'string'], cmd: [2, repeated('string')], timeout: [3, 'int64'] }),
    message({ stdout: [1, 'bytes'], stderr: [2, 'bytes'], exitCode: [3, 'int32'] }),
  ),
};

export type Cri = Bound<typeof METHODS> & Disposable;

export function connectCri(socket: string): Cri {
  const channel = new Channel(socket);
  const caller: Caller = (name, { signal, timeoutMs }) => channel.call(name, { signal, timeoutMs });
  const bound = Object.entries(METHODS).map(([name, call]) => [name, call(caller)]);
  return Object.assign(Object.fromEntries(bound) as Bound<typeof METHODS>, { [Symbol.dispose]: () => channel.close() });
}

/** Resolves when CRI answers, which takes longer than for containerd to be ready. */
export async function untilInitialized(cri: Cri): Promise<void> {
  const early = (error: unknown) => isGrpcError(error) && error.message.includes('not initialized');
  for (;;) {
    try {
      return void (await cri.status({}));
    } catch (error) {
      if (!early(error)) throw error;
      await Bun.sleep(20);
    }
  }
}

export interface Pod {
  name: string;
  sandbox: string;
  container: string;
  /** IPv4 and IPv6. */
  addresses: string[];
  /** Path of the network namespace. */
  netns: string;
}

/** The port of the host that leads to the pod's port 80. */
export interface PodOptions {
  hostPort?: number | undefined;
  attempt?: number | undefined;
}

/** A pod with a web server, which answers. */
export async function runPod(cri: Cri, name: string, { hostPort, attempt = 0 }: PodOptions = {}): Promise<Pod> {
  const portMappings = hostPort === undefined ? [] : [{ hostPort, containerPort: 80 }];
  const metadata = { name, uid: name, namespace: 'default', attempt };
  const sandboxConfig = { metadata, hostname: name, portMappings };
  const { podSandboxId } = await cri.runPodSandbox({ config: sandboxConfig });
  const config = { metadata: { name: 'web', attempt }, image: { image: IMAGE }, command: ['/serve'] };
  const { containerId } = await cri.createContainer({ podSandboxId, config, sandboxConfig });
  await cri.startContainer({ containerId });
  const { status, info } = await cri.podSandboxStatus({ podSandboxId, verbose: true });
  const { ip = '', additionalIps = [] } = status?.network ?? {};
  const addresses = [ip, ...additionalIps.map(additional => additional.ip)];
  const netns = namespaceOf(info.info ?? '{}');
  await untilServing(basename(netns));
  return { name, sandbox: podSandboxId, container: containerId, addresses, netns };
}

interface VerboseInfo {
  runtimeSpec?: { linux?: { namespaces?: { type: string; path?: string }[] } };
}

function namespaceOf(info: string): string {
  const { runtimeSpec } = JSON.parse(info) as VerboseInfo;
  const path = runtimeSpec?.linux?.namespaces?.find(({ type }) => type === 'network')?.path;
  if (path === undefined) throw new Error(`no network namespace: ${info}`);
  return path;
}

export async function removePod(cri: Cri, { sandbox }: Pod): Promise<void> {
  await cri.stopPodSandbox({ podSandboxId: sandbox });
  await cri.removePodSandbox({ podSandboxId: sandbox });
}

/** What a command in a pod's container prints, however it ends. */
export async function execIn(cri: Cri, { container }: Pod, cmd: string[]): Promise<string> {
  const { stdout } = await cri.execSync({ containerId: container, cmd });
  return Buffer.from(stdout).toString();
}
