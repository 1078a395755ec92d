/** The containers that a cell declares, or the one that is described: image, state, how it ended, and what its manifest says. */
import type { Resource } from '../../kernel/kinds.ts';
import { nameOf } from '../../kernel/resource.ts';
import { limitLines, type Pair, pairLines, stateText, yamlLines } from './lines.ts';

type Fields = Record<string, unknown>;

export function containerLines({ ref, manifest }: Resource): string {
  const status: Fields = manifest.status ?? {};
  if (ref.kind === 'Container') return oneContainer({ id: nameOf(ref), ...manifest.spec }, status, false);
  const specs = listOf(manifest.spec.containers);
  const statuses = listOf(status.containers);
  return specs
    .map(spec => {
      const own = statuses.find(one => one.id === spec.id) ?? {};
      const lines = oneContainer(spec, own, true).replace(/^(?=.)/gm, '  ');
      return `${spec.id}${own.root === true ? ' (root)' : ''}:\n${lines}`;
    })
    .join('\n');
}

const listOf = (value: unknown): Fields[] => (Array.isArray(value) ? (value as Fields[]) : []);
const text = (value: unknown): string => (value === undefined ? '' : String(value));

/** `isPart`: of a cell, whose own sections do not show its limits. */
function oneContainer(spec: Fields, status: Fields, isPart: boolean): string {
  const { id: _, image, resources: __, root: ___, ...rest } = spec;
  const ended = status.exitCode === undefined ? '' : ` with exit code ${status.exitCode}`;
  const { state, reason, message } = status;
  const pairs: Pair[] = [
    ['Image', text(image)],
    ['State', isPart || ended !== '' ? stateText({ state: `${state ?? 'Pending'}${ended}`, reason, message }) : ''],
    ['Outdated', text(status.outdated)],
    ['PID', text(status.pid)],
    ['Started', text(status.startedAt)],
    ['Finished', text(status.finishedAt)],
    ['Restarts', text(status.restarts)],
    ['OOM kills', text(status.oomKills)],
    ['containerd', text(status.containerdId)],
    ['Log', text(status.logPath)],
    ['Cgroup', isPart ? text(status.cgroupPath) : ''],
    ['Limits', isPart ? limitLines(status.resources) : ''],
    ['Spec', isPart ? yamlLines(rest) : ''],
  ];
  return pairLines(pairs);
}
