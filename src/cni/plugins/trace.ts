/** Following a plugin step by step: each effect is told with the command that a person would type for it. */

/** Runs `effect` and tells of it: the command, how it ended and how long it took. What `effect` throws goes through. */
export type Trace = <T>(command: string, effect: () => T) => T;

/** Tells nobody. */
export const silent: Trace = (_, effect) => effect();
