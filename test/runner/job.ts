/** Runs one job of a test run: a file of tests in its box, all unit tests, a check such as the linter, or a virtual machine. */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseReport } from './junit.ts';

export interface Job {
  /** Unique, and a path: its output is kept in a folder of this name. */
  name: string;
  command: string[];
  env?: Record<string, string>;
  /** Test files that must each report a test. Without them the job is a check: one test, which passes when the command exits with 0. */
  testFiles?: string[];
  /** Its output is of interest when it passes, too: it says what was measured. */
  measures?: true;
  /** It hardly computes, and may run beside as many others as processors are enough for. */
  waits?: true;
  /** Seconds after which it is ended, and has failed. */
  limit: number;
}

export interface Outcome {
  job: Job;
  passed: number;
  failed: number;
  seconds: number;
  /** Of processors, with all that it started. */
  cpuSeconds: number;
  /** What went wrong apart from the tests' own failures. */
  problems: string[];
  /** Folder with output.txt, and what else the job wrote to $KUKE_TEST_ARTIFACTS. */
  artifacts: string;
}

const resultsFolder = '.cache/test';
const running = new Set<Bun.Subprocess>();

/** Ends all jobs that run. A box ends with its box.sh. */
export function endAll(): void {
  for (const program of running) program.kill('SIGTERM');
}

/** Never rejects: what keeps a job from running is its failure. */
export async function run(job: Job): Promise<Outcome> {
  const started = performance.now();
  const artifacts = join(process.cwd(), resultsFolder, job.name);
  rmSync(artifacts, { recursive: true, force: true });
  mkdirSync(artifacts, { recursive: true });
  const reportFile = join(artifacts, 'junit.xml');
  const ending = await execute(job, artifacts, reportFile);
  const seconds = (performance.now() - started) / 1000;
  const { passed, failed, problems } = job.testFiles ? ofTests(reportFile, job.testFiles, ending) : ofCheck(ending);
  const { cpuSeconds } = ending;
  return { job, passed, failed: failed + problems.length, seconds, cpuSeconds, problems, artifacts };
}

/** How a command ended. */
interface Ending {
  well: boolean;
  how: string;
  cpuSeconds: number;
}

async function execute(job: Job, artifacts: string, reportFile: string): Promise<Ending> {
  const command = job.testFiles
    ? [...job.command, '--reporter=junit', `--reporter-outfile=${reportFile}`]
    : job.command;
  const output = openSync(join(artifacts, 'output.txt'), 'w');
  const limited = AbortSignal.timeout(job.limit * 1000);
  try {
    const program = Bun.spawn(command, {
      // CI: bun refuses test.only.
      env: { ...process.env, CI: '1', NO_COLOR: '1', ...job.env, KUKE_TEST_ARTIFACTS: artifacts },
      stdin: 'ignore',
      stdout: output,
      stderr: output,
      signal: limited,
      killSignal: 'SIGTERM',
    });
    running.add(program);
    const status = await program.exited;
    running.delete(program);
    const cpuSeconds = Number(program.resourceUsage()?.cpuTime.total ?? 0) / 1e6;
    if (limited.aborted) return { well: false, how: `ended after its limit of ${job.limit} s`, cpuSeconds };
    return { well: status === 0, how: `exit status ${status}`, cpuSeconds };
  } catch (error) {
    return { well: false, how: String(error), cpuSeconds: 0 };
  } finally {
    closeSync(output);
  }
}

type Counts = Pick<Outcome, 'passed' | 'failed' | 'problems'>;

function ofCheck({ well, how }: Ending): Counts {
  return { passed: well ? 1 : 0, failed: 0, problems: well ? [] : [how] };
}

function ofTests(reportFile: string, testFiles: string[], { well, how }: Ending): Counts {
  if (!existsSync(reportFile)) {
    return { passed: 0, failed: 0, problems: [`no report: it crashed, ended early, or holds no test (${how})`] };
  }
  const { passed, failed, skipped, files } = parseReport(readFileSync(reportFile, 'utf8'));
  const problems = [
    ...testFiles.filter(file => !files.has(file)).map(file => `${file}: no test ran`),
    ...skipped.map(name => `skipped: ${name}`),
  ];
  // A status other than 0 often only repeats what is known.
  if (!well && failed + problems.length === 0) problems.push(how);
  return { passed, failed, problems };
}
