/** KUKE_TEST_TIMES: how many times as many examples as usual a property is tried on, for a search that takes its time. */
const times = Number(process.env.KUKE_TEST_TIMES ?? 1);

/**
 * The examples are not made smaller, since what a killed or a competing plugin got done differs from run to run. They are the same ones each
 * time, since a new flaw of the reference plugins says nothing of a change here; a search (KUKE_TEST_TIMES above 1) takes new ones.
 */
export const examples = (usual: number) => ({
  numRuns: usual * times,
  endOnFailure: true,
  ...(times === 1 && { seed: 1 }),
});

/** Milliseconds for a property. */
export const LIMIT = 180_000 * times;
