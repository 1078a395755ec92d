/** What happened to resources: what commands did, and what kukeond has seen and done (docs/rollouts.md). */

import type { Event } from '../../kernel/events.ts';
import { follow } from '../../kernel/logs/follow.ts';
import { lines } from './answer-shapes.ts';
import { flag, pastMoment, text, wholeNumber } from './query.ts';
import { type Route, route } from './route.ts';

const LAST = 100;
const MOST = 1_000_000;

export const eventRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/v1beta1/events',
    id: 'listEvents',
    summary: 'what happened, the oldest first: what commands did, and what kukeond has seen and done',
    query: {
      resource: text('with this one alone: `cell main/default/blog/web`'),
      since: pastMoment('all since then: 5m, or 2026-11-22T08:00:00Z'),
      last: wholeNumber(`only the last so many (${LAST}; all with \`since\`)`, MOST),
      watch: flag('go on with what happens'),
    },
    streams: ({ watch }) => watch === true,
    answers: { 200: lines('a line each', 'Event') },
    async run(call) {
      const { resource, since, last = since === undefined ? LAST : MOST, watch } = call.query;
      await (await call.daemon.reading()).instance();
      using sources = call.daemon.events?.();
      const out = call.lines();
      const isMeant = (one: Event) =>
        (resource === undefined || one.resource.toLowerCase() === resource.toLowerCase()) &&
        Date.parse(one.at) >= (since ?? 0);
      const tell = async (events: readonly Event[]): Promise<boolean> => {
        for (const one of events) {
          if (!out.write(one)) return false;
          await out.drained();
        }
        return !call.signal.aborted;
      };
      const isHeard = await tell((await sources?.pull({ isMeant, last, signal: call.signal })) ?? []);
      if (watch && isHeard && sources !== undefined) {
        const over = new Promise<void>(resolve =>
          call.signal.addEventListener('abort', () => resolve(), { once: true }),
        );
        await follow(sources.paths, async () => tell(await sources.pull({ isMeant })), over);
      }
      out.end();
      return 'sent';
    },
  }),
];
