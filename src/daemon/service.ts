/** kukeond as a service of the host: started, ended and looked at, through systemd where that runs, else as a process of its own. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { replaceFile } from '../host/atomic-file.ts';
import { bindDatagrams } from '../host/datagram.ts';
import { startDetached } from '../host/detached-process.ts';
import { PATH, scrubbedEnvironment } from '../host/environment.ts';
import { identify, openProcess } from '../host/pidfd.ts';
import type { DaemonPlaces } from '../kernel/daemon-places.ts';
import { KukeError } from '../kernel/errors.ts';
import { runningDaemon } from './single-instance.ts';
import { MARK, unitText } from './unit.ts';

const START_LIMIT_MS = 60_000;
const END_LIMIT_MS = 120_000;
const MAX_LOG_BYTES = 8 * 1024 * 1024;
/** Where a daemon that is being started says that it is ready. */
const START = /^start-\d+\.sock$/;

/** What the service is: where it is found, and the program with its arguments that is kukeond. */
export interface Service {
  places: DaemonPlaces;
  command: readonly string[];
}

export const unitPath = ({ unit }: DaemonPlaces): string => `/etc/systemd/system/${unit}`;

export const isSystemd = (): boolean => existsSync('/run/systemd/system');

/** Whether systemd looks after it. */
export const hasUnit = (places: DaemonPlaces): boolean => isSystemd() && existsSync(unitPath(places));

export type SetUp = 'started' | 'restarted' | 'unchanged';

/** Makes it run now and, with systemd, after each boot. Of another program than ours, or by another unit, it is started anew. */
export async function setUp(service: Service): Promise<SetUp> {
  const { places, command } = service;
  const before = runningDaemon(places);
  const isNew = isSystemd() && (await writeUnit(places, command));
  if (before !== undefined && !isNew && isOurProgram(before.pid)) return 'unchanged';
  if (before === undefined) await start(service);
  else await restart(service);
  return before === undefined ? 'started' : 'restarted';
}

/** Whether it had to be written. Throws Conflict for a unit of somebody else's. */
async function writeUnit(places: DaemonPlaces, command: readonly string[]): Promise<boolean> {
  const path = unitPath(places);
  const text = unitText(command, 'kukeond, which keeps the cells of kuke as they should be');
  const there = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  if (there !== undefined && !there.startsWith(MARK))
    throw new KukeError('Conflict', `${path} is not of kuke's making`, {
      remedy: 'move it away, or leave the daemon out: `kuke init --no-daemon`',
    });
  if (there !== text) {
    await replaceFile(path, text);
    await systemctl('daemon-reload');
  }
  await systemctl('enable', '--quiet', places.unit);
  return there !== text;
}

/** What runs may be of a program that was replaced since. */
function isOurProgram(pid: number): boolean {
  try {
    const [theirs, ours] = [statSync(`/proc/${pid}/exe`), statSync('/proc/self/exe')];
    return (
      theirs.ino === ours.ino && theirs.dev === ours.dev && !readlinkSync(`/proc/${pid}/exe`).endsWith(' (deleted)')
    );
  } catch {
    return false;
  }
}

/** Resolves when it is ready. Done where it runs already, it does nothing. */
export async function start(service: Service): Promise<void> {
  const { places } = service;
  if (runningDaemon(places) !== undefined) return;
  if (hasUnit(places)) await systemctl('start', places.unit);
  else await startProcess(service);
}

/** Resolves when it has ended. False: none ran. */
export async function stop({ places }: Pick<Service, 'places'>): Promise<boolean> {
  const wasRunning = runningDaemon(places) !== undefined;
  if (hasUnit(places)) await systemctl('stop', places.unit);
  // One that somebody has started by hand.
  await endProcess(places);
  return wasRunning;
}

export async function restart(service: Service): Promise<void> {
  if (!hasUnit(service.places)) {
    await endProcess(service.places);
    return startProcess(service);
  }
  const main = await systemctl('show', '--property=MainPID', '--value', service.places.unit);
  const running = runningDaemon(service.places);
  if (running !== undefined && running.pid !== Number(main)) await endProcess(service.places);
  await systemctl('restart', service.places.unit);
}

/** Ends it and takes its unit away. What it has logged goes too. */
export async function tearDown(places: DaemonPlaces): Promise<void> {
  await stop({ places });
  if (hasUnit(places) && readFileSync(unitPath(places), 'utf8').startsWith(MARK)) {
    await systemctl('disable', '--quiet', places.unit);
    rmSync(unitPath(places), { force: true });
    await systemctl('daemon-reload');
    await systemctl('reset-failed', places.unit).catch(() => {}); // it has not failed
  }
  const run = dirname(places.socket);
  // What starts that were killed have left.
  const left = existsSync(run) ? readdirSync(run).filter(name => START.test(name)) : [];
  for (const path of [places.log, `${places.log}.1`, ...left.map(name => `${run}/${name}`)])
    rmSync(path, { force: true });
  for (const folder of [dirname(places.log), run]) {
    try {
      rmdirSync(folder);
    } catch {} // others have something there
  }
}

/** It tells when it is ready as it would tell systemd: sd_notify(3). */
async function startProcess({ places, command }: Service): Promise<void> {
  for (const path of [places.log, places.pidFile]) mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if ((statSync(places.log, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES)
    renameSync(places.log, `${places.log}.1`);
  const name = `${dirname(places.socket)}/start-${process.pid}.sock`;
  rmSync(name, { force: true }); // of a process of the same pid that was killed
  using ready = bindDatagrams(name);
  const from = statSync(places.log, { throwIfNoEntry: false })?.size ?? 0;
  const { exited } = startDetached(command, { log: places.log, env: { NOTIFY_SOCKET: name } });
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), START_LIMIT_MS);
  const isReady = async (): Promise<true> => {
    while (!(await ready.next(limit.signal)).split('\n').includes('READY=1'));
    return true;
  };
  try {
    const ended = exited.then(status => {
      throw new KukeError('HostNotReady', `kukeond ended with status ${status}: ${lastWords(places.log, from)}`, {
        remedy: `see ${places.log}`,
      });
    });
    await Promise.race([isReady(), ended]);
  } catch (thrown) {
    if (!limit.signal.aborted) throw thrown;
    throw new KukeError('TimedOut', `kukeond is not ready after ${START_LIMIT_MS / 1000} s`, {
      remedy: `see ${places.log}`,
    });
  } finally {
    clearTimeout(timer);
    limit.abort();
  }
}

function lastWords(log: string, from: number): string {
  const [last = 'it said nothing'] = readFileSync(log).subarray(from).toString().trimEnd().split('\n').slice(-1);
  return last;
}

/** SIGTERM, and SIGKILL where that is not enough: what it was at is finished or undone by the next one. */
async function endProcess(places: DaemonPlaces): Promise<void> {
  const running = runningDaemon(places);
  const who = running && identify(running.pid);
  using daemon = who && openProcess(who);
  // Between the two looks it may have ended, and its pid may be another's.
  if (daemon === undefined || runningDaemon(places)?.pid !== daemon.pid) return;
  daemon.signal('SIGTERM');
  await daemon.exited(AbortSignal.timeout(END_LIMIT_MS)).catch(() => daemon.signal('SIGKILL'));
  await daemon.exited();
}

/** Its standard output. Throws HostNotReady in systemd's words. */
async function systemctl(...args: string[]): Promise<string> {
  const child = Bun.spawn([Bun.which('systemctl', { PATH }) ?? '/bin/systemctl', ...args], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    cwd: '/',
    // On a busy machine systemd may take longer than the 25 s that its client waits otherwise.
    env: scrubbedEnvironment({ SYSTEMD_BUS_TIMEOUT: '300', SYSTEMD_PAGER: '' }),
  });
  const [said, failed, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (status === 0) return said.trim();
  const [verb, ...rest] = args;
  throw new KukeError('HostNotReady', failed.trim() || `exit status ${status}`, {
    step: `systemctl ${verb}`,
    remedy: `see \`systemctl status ${rest.at(-1)}\` and \`journalctl -u ${rest.at(-1)}\``,
  });
}
