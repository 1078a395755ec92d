/** What can be told of kukeond from outside, whether it answers or not. */
import { accessSync, constants, readFileSync } from 'node:fs';
import type { Invocation } from '../command.ts';
import { colour } from '../output/terminal.ts';
import { placesOf } from './own-service.ts';

/** As `kuke daemon status -o json` prints it. */
export interface DaemonLook {
  running: boolean;
  /** Whether its API does. */
  answers: boolean;
  /** Who asks is neither root nor in the group that may. */
  denied?: true;
  socket: string;
  /** Of systemd, where that looks after it. */
  unit?: string;
  pid?: number;
  /** RFC 3339, UTC. */
  startedAt?: string;
  version?: string;
  residentBytes?: number;
}

const ANSWER_LIMIT_MS = 2000;
/** USER_HZ, sysconf(_SC_CLK_TCK): the same on every Linux that Bun runs on. */
const TICKS = 100;

export async function lookAtDaemon(invocation: Pick<Invocation, 'globals' | 'program'>): Promise<DaemonLook> {
  const places = placesOf(invocation);
  const daemon = await invocation.program.daemon();
  const running = daemon.runningDaemon(places);
  const { socket } = places;
  const unit = daemon.hasUnit(places) ? { unit: places.unit } : {};
  if (running === undefined) return { running: false, answers: false, socket, ...unit };
  const { pid } = running;
  return { running: true, ...(await ask(socket)), socket, ...unit, pid, ...ofProcess(pid) };
}

async function ask(socket: string): Promise<Pick<DaemonLook, 'answers' | 'denied' | 'version'>> {
  if (isDenied(socket)) return { answers: false, denied: true };
  try {
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const answer = await fetch('http://kukeond/version', { unix: socket, signal, keepalive: false });
    const said: unknown = await answer.json();
    const version = typeof said === 'object' && said !== null && 'version' in said ? String(said.version) : undefined;
    return { answers: true, ...(version !== undefined && { version }) };
  } catch {
    return { answers: false };
  }
}

function isDenied(socket: string): boolean {
  try {
    accessSync(socket, constants.W_OK);
    return false;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EACCES';
  }
}

/** `answers`, or why it does not. */
export const answerText = ({ answers, denied }: Pick<DaemonLook, 'answers' | 'denied'>): string => {
  if (denied) return colour('yellow', 'is for root and the group kukeon');
  return answers ? colour('green', 'answers') : colour('red', 'does not answer');
};

function ofProcess(pid: number): Pick<DaemonLook, 'startedAt' | 'residentBytes'> {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]); // field 22 of proc_pid_stat(5)
    const booted = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
    const resident = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return {
      startedAt: new Date((booted + ticks / TICKS) * 1000).toISOString(),
      ...(Number.isFinite(resident) && { residentBytes: resident * 1024 }),
    };
  } catch {
    return {}; // it has ended meanwhile
  }
}
