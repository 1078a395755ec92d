/** containerd.services.tasks.v1: the processes of containers. An empty execId is the container's first process. */
import { always, enumeration, type Message, map, message, repeated } from '../grpc/message.ts';
import { unary } from './method.ts';
import { Any, Descriptor, Empty, Mount } from './types.ts';

export const Process = message({
  containerId: [1, 'string'],
  /** The exec's id; for a first process, the container's. */
  id: [2, 'string'],
  pid: [3, 'uint32'],
  status: [4, enumeration('UNKNOWN', 'CREATED', 'RUNNING', 'STOPPED', 'PAUSED', 'PAUSING')],
  stdin: [5, 'string'],
  stdout: [6, 'string'],
  stderr: [7, 'string'],
  terminal: [8, 'bool'],
  exitStatus: [9, 'uint32'],
  exitedAt: [10, 'timestamp'],
});
export type Process = Message<typeof Process>;

/**
 * stdin, stdout, stderr: paths of FIFOs, or (outputs) `file:///path`, `binary:///path?args`. Never a `file:` for one output of
 * an exec and nothing for the other: the shim of 1.6 crashes of it, with all that it serves.
 */
export const CreateTaskRequest = message({
  containerId: [1, 'string'],
  rootfs: [3, repeated(Mount)],
  stdin: [4, 'string'],
  stdout: [5, 'string'],
  stderr: [6, 'string'],
  terminal: [7, 'bool'],
  checkpoint: [8, Descriptor],
  options: [9, Any],
  runtimePath: [10, 'string'],
});
const CreateTaskResponse = message({ containerId: [1, 'string'], pid: [2, 'uint32'] });
const ProcessRequest = message({ containerId: [1, 'string'], execId: [2, 'string'] });
const TaskRequest = message({ containerId: [1, 'string'] });
const StartResponse = message({ pid: [1, 'uint32'] });
const DeleteResponse = message({
  id: [1, 'string'],
  pid: [2, 'uint32'],
  exitStatus: [3, 'uint32'],
  exitedAt: [4, 'timestamp'],
});
const GetResponse = message({ process: [1, Process] });
const ListTasksRequest = message({ filter: [1, 'string'] });
const ListTasksResponse = message({ tasks: [1, repeated(Process)] });
const KillRequest = message({
  containerId: [1, 'string'],
  execId: [2, 'string'],
  signal: [3, 'uint32'],
  all: [4, 'bool'],
});
const ExecProcessRequest = message({
  containerId: [1, 'string'],
  stdin: [2, 'string'],
  stdout: [3, 'string'],
  stderr: [4, 'string'],
  terminal: [5, 'bool'],
  /** `ociProcess` of runtime-types.ts. */
  spec: [6, always(Any)],
  execId: [7, 'string'],
});
const ResizePtyRequest = message({
  containerId: [1, 'string'],
  execId: [2, 'string'],
  width: [3, 'uint32'],
  height: [4, 'uint32'],
});
const CloseIoRequest = message({ containerId: [1, 'string'], execId: [2, 'string'], stdin: [3, 'bool'] });
const ListPidsResponse = message({ processes: [1, repeated(message({ pid: [1, 'uint32'], info: [2, Any] }))] });
const UpdateTaskRequest = message({
  containerId: [1, 'string'],
  /** `ociResources` of runtime-types.ts. */
  resources: [2, Any],
  annotations: [3, map('string')],
});
const WaitResponse = message({ exitStatus: [1, 'uint32'], exitedAt: [2, 'timestamp'] });

export const Tasks = {
  /** Starts the shim and makes the container; the process waits for `start`. */
  create: unary('/containerd.services.tasks.v1.Tasks/Create', CreateTaskRequest, CreateTaskResponse),
  start: unary('/containerd.services.tasks.v1.Tasks/Start', ProcessRequest, StartResponse),
  /** Refused while it runs: FAILED_PRECONDITION, in 1.6 UNKNOWN. */
  delete: unary('/containerd.services.tasks.v1.Tasks/Delete', TaskRequest, DeleteResponse),
  /** The same for an exec'd process. */
  deleteProcess: unary('/containerd.services.tasks.v1.Tasks/DeleteProcess', ProcessRequest, DeleteResponse),
  get: unary('/containerd.services.tasks.v1.Tasks/Get', ProcessRequest, GetResponse, answer => answer.process),
  list: unary('/containerd.services.tasks.v1.Tasks/List', ListTasksRequest, ListTasksResponse, answer => answer.tasks),
  /** NOT_FOUND when the process has ended. all: every process of the container. */
  kill: unary('/containerd.services.tasks.v1.Tasks/Kill', KillRequest, Empty),
  /** Makes a further process, which waits for `start`. */
  exec: unary('/containerd.services.tasks.v1.Tasks/Exec', ExecProcessRequest, Empty),
  /** In characters. */
  resizePty: unary('/containerd.services.tasks.v1.Tasks/ResizePty', ResizePtyRequest, Empty),
  closeIo: unary('/containerd.services.tasks.v1.Tasks/CloseIO', CloseIoRequest, Empty),
  pause: unary('/containerd.services.tasks.v1.Tasks/Pause', TaskRequest, Empty),
  resume: unary('/containerd.services.tasks.v1.Tasks/Resume', TaskRequest, Empty),
  listPids: unary(
    '/containerd.services.tasks.v1.Tasks/ListPids',
    TaskRequest,
    ListPidsResponse,
    answer => answer.processes,
  ),
  /** New limits for a running container. */
  update: unary('/containerd.services.tasks.v1.Tasks/Update', UpdateTaskRequest, Empty),
  /** Answers when the process has ended, at once if it has already; before `delete`, whose NOT_FOUND it else gets. */
  wait: unary('/containerd.services.tasks.v1.Tasks/Wait', ProcessRequest, WaitResponse),
};
