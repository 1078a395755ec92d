/**
 * Runs tests: `bun test/run.ts [build|lint|types|unit|host|vm...] [FILTER...] [--jobs N]`; everything where no part is named, and the
 * build in any case. A filter picks the test files whose path contains it. Best called through scripts/test, which first installs what is
 * missing.
 *
 * Host tests run a file in a box of its own, several side by side; files that use containerd once on each version. What a file prints is
 * shown when it fails, and kept below .cache/test/. A file without a test, without a report, or with a skipped test has failed. After
 * them come the virtual machines, one on each CPU. Each says how long it took, and what of processors.
 * The last line is `N passed, N failed`, and the exit status is 0 only when something passed and nothing failed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { endAll, type Job, type Outcome, run } from './runner/job.ts';
import { jobsOf, type Part, parts } from './runner/plan.ts';
import { judgeTime } from './runner/vm-time.ts';

process.chdir(dirname(import.meta.dir));
const { values, positionals } = parseArgs({ allowPositionals: true, options: { jobs: { type: 'string' } } });
const isPart = (word: string): word is Part => (parts as readonly string[]).includes(word);
const named = new Set(positionals.filter(isPart));
const filters = positionals.filter(word => !isPart(word));
// One more than there are CPUs, since each job waits for a third of its time: for grace periods of the kernel, or for packets that must not come.
const atOnce = Number(values.jobs ?? availableParallelism() + 1);
if (!Number.isInteger(atOnce) || atOnce < 1) throw new Error(`--jobs ${values.jobs}: not a number of jobs`);

const plan = new Map<Part, Job[]>();
// The binary and the list of built-in plugins, which all else needs, come from the build.
for (const part of parts) {
  if (named.size === 0 || named.has(part) || part === 'build') plan.set(part, await jobsOf(part, filters));
}

const outcomes: Outcome[] = [];
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true;
    endAll();
  });
}

await runAll([], plan.get('build') ?? []);
if (outcomes.every(({ failed }) => failed === 0)) {
  const others = (['lint', 'types', 'unit', 'host'] as const).flatMap(part => plan.get(part) ?? []);
  await runAll([], others);
  // Emulated, they leave nothing of a CPU to others, and take from them more than they need.
  await runAll(plan.get('vm') ?? [], []);
  judgeVms(plan.get('vm') ?? []);
} else {
  console.log('Nothing else was run, since the build failed.');
}
summarize();

/** `atOnce` of them, and one more of those that wait. An emulated virtual machine takes one CPU: there is one on each. */
async function runAll(vms: Job[], others: Job[]): Promise<void> {
  const machines = vms.values();
  const waiting = others.filter(({ waits }) => waits).values();
  const computing = others.filter(({ waits }) => !waits).values();
  const worker = async (...queues: Iterable<Job>[]) => {
    for (const queue of queues) {
      for (const job of queue) {
        if (interrupted) return;
        const outcome = await run(job);
        outcomes.push(outcome);
        show(outcome);
      }
    }
  };
  await Promise.all([
    worker(machines, computing, waiting),
    ...Array.from({ length: atOnce - 1 }, (_, index) =>
      index + 1 < availableParallelism() ? worker(computing, waiting, machines) : worker(computing, waiting),
    ),
    ...(values.jobs === undefined ? [worker(waiting)] : []),
  ]);
}

/** Together they are held to a time, which each of them says its part of. */
function judgeVms(jobs: Job[]): void {
  const ran = outcomes.filter(({ job }) => jobs.includes(job));
  const [last] = ran.slice(-1);
  if (last === undefined || interrupted) return;
  const cpuSeconds = ran.reduce((sum, outcome) => sum + outcome.cpuSeconds, 0);
  const { text, failed } = judgeTime(cpuSeconds, availableParallelism());
  console.log(`${failed ? 'FAIL' : 'ok  '} ${text}`);
  if (failed) outcomes.push({ ...last, job: { ...last.job, name: text }, passed: 0, failed: 1 });
}

function show({ job, passed, failed, seconds, cpuSeconds, problems, artifacts }: Outcome): void {
  const result = failed > 0 ? 'FAIL' : 'ok  ';
  console.log(
    `${result} ${job.name.padEnd(68)} ${`${passed} passed`.padStart(11)}${failed > 0 ? `, ${failed} failed` : ''} ${seconds.toFixed(1).padStart(7)} s ${cpuSeconds.toFixed(1).padStart(6)} s CPU`,
  );
  if (interrupted || (failed === 0 && !job.measures)) return;
  console.log(indented(readFileSync(join(artifacts, 'output.txt'), 'utf8')));
  if (failed === 0) return;
  const containerdLog = join(artifacts, 'containerd.log');
  if (existsSync(containerdLog)) console.log(indented(`The end of containerd's log:\n${lastLines(containerdLog, 15)}`));
  for (const problem of problems) console.log(indented(`${job.name}: ${problem}`));
  console.log(indented(`All of it: ${artifacts}`));
}

function summarize(): void {
  const failures = outcomes.filter(({ failed }) => failed > 0);
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  if (outcomes.length === 0) console.log(`No test file matches ${filters.join(' ')}`);
  if (failures.length > 0) console.log(`\nFailed:\n${failures.map(({ job }) => `  ${job.name}`).join('\n')}`);
  if (interrupted) console.log('Interrupted.');
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = passed > 0 && failed === 0 && !interrupted ? 0 : 1;
}

function indented(text: string): string {
  return text.trimEnd().replace(/^/gm, '    ');
}

function lastLines(file: string, count: number): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}
