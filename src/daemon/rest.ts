/** What kukeond has no use for while nothing happens goes back to the host: what a burst of work left on the heap, and pages of the program. */
import { letGoOfProgram } from '../host/program-pages.ts';
import type { StartPart } from './serve.ts';

const LOOK_MS = 10_000;
/** Of processor time, in microseconds, between two looks: less is rest, such as a sweep of a few cells. */
const LITTLE_US = 100_000;
/** What makes it worth while. */
const MUCH_US = 500_000;

/** @param giveBack blocks for some 50 ms. */
export function makeRest(used: () => number, giveBack: () => void): { look(): void } {
  let [seen, given] = [0, 0];
  return {
    look() {
      const now = used();
      const isResting = now - seen < LITTLE_US;
      seen = now;
      if (!isResting || now - given < MUCH_US) return;
      giveBack();
      [seen, given] = [used(), used()];
    },
  };
}

function used(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export const startResting: StartPart = async () => {
  const rest = makeRest(used, () => {
    Bun.gc(true);
    letGoOfProgram();
  });
  const timer = setInterval(rest.look, LOOK_MS).unref();
  return { name: 'the rest', stop: async () => clearInterval(timer) };
};
