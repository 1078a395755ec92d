/** Faults that a test puts in the way of a fake's actions and reads, by name: `network.attach`, `runtime.observe`. */
import type { KukeError } from '../../src/kernel/errors.ts';

export interface FaultOptions {
  /** Which call from now on: 1, the default, is the next one; `every` all of them. */
  nth?: number | 'every';
  /** After the effect instead of before it. */
  after?: boolean;
}

export interface Pause {
  /** Resolves when the call has got there. */
  reached: Promise<void>;
  resume(): void;
}

export interface Faults {
  /** Throws `error`. */
  fail(name: string, error: Error, options?: FaultOptions): void;
  /** Answers only when its signal is aborted; with `deaf`, never. */
  hang(name: string, options?: FaultOptions & { deaf?: boolean }): void;
  /** Holds the call until `resume`. */
  pause(name: string, options?: FaultOptions): Pause;
  /** Ends the process, as a power cut would: no call made through a backend of before `FakeHost.restart` ever returns again. */
  crash(name: string, options?: FaultOptions): Promise<void>;
  clear(): void;
}

export type Moment = 'before' | 'after';
export type Trigger = (moment: Moment, signal: AbortSignal | undefined) => Promise<void>;

interface Fault {
  name: string;
  moment: Moment;
  /** Calls still to let pass. */
  skip: number;
  every: boolean;
  strike(signal: AbortSignal | undefined): Promise<void>;
}

export const never = (): Promise<never> => new Promise(() => {});

/** The error of an aborted action: what the signal says if that is a KukeError (a time limit), else Cancelled. */
export function aborted(signal: AbortSignal, toError: (reason: unknown) => KukeError): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(toError(signal.reason));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

export interface FaultBoard extends Faults {
  /** The faults that this call of `name` meets. */
  meet(name: string): Trigger;
}

export function makeFaults(toError: (reason: unknown) => KukeError, crashed: () => void): FaultBoard {
  let faults: Fault[] = [];
  const add = (name: string, options: FaultOptions, strike: Fault['strike']) => {
    const { nth = 1, after = false } = options;
    const every = nth === 'every';
    faults.push({ name, moment: after ? 'after' : 'before', skip: every ? 0 : nth - 1, every, strike });
  };
  return {
    fail: (name, error, options = {}) => add(name, options, () => Promise.reject(error)),
    hang: (name, options = {}) =>
      add(name, options, signal => (signal === undefined || options.deaf ? never() : aborted(signal, toError))),
    pause(name, options = {}) {
      const reached = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      add(name, options, () => {
        reached.resolve();
        return gate.promise;
      });
      return { reached: reached.promise, resume: gate.resolve };
    },
    crash(name, options = {}) {
      const reached = Promise.withResolvers<void>();
      add(name, options, () => {
        crashed();
        reached.resolve();
        return never();
      });
      return reached.promise;
    },
    clear() {
      faults = [];
    },
    meet(name) {
      const due: Fault[] = [];
      for (const fault of faults.filter(other => other.name === name)) {
        if (fault.skip > 0) {
          fault.skip--;
          continue;
        }
        due.push(fault);
        if (!fault.every) faults = faults.filter(other => other !== fault);
      }
      return async (moment, signal) => {
        for (const fault of due) if (fault.moment === moment) await fault.strike(signal);
      };
    },
  };
}
