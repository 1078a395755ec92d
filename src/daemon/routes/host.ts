/** What is about the daemon and its host: whether it is well, what it is, what it counts, and what doctor finds. */
import { fixedBy } from '../../kernel/audit.ts';
import { diagnose, repair } from '../../kernel/doctor.ts';
import { errorBody } from '../../kernel/error-body.ts';
import { listOf } from './answer-shapes.ts';
import { auditedRequest } from './audited-request.ts';
import { type Route, route } from './route.ts';

export const hostRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/healthz',
    id: 'health',
    summary: 'whether the daemon answers',
    answers: { 200: { what: 'it does', type: 'text/plain', schema: { const: 'ok\n' } } },
    run: async () => ({ text: 'ok\n', type: 'text/plain; charset=utf-8' }),
  }),
  route({
    method: 'GET',
    path: '/version',
    id: 'version',
    summary: 'which kuke this is, and which containerd answers it',
    answers: { 200: { what: '`version`, `apiVersions`, `runtime`', schema: { type: 'object' } } },
    async run({ daemon }) {
      const runtime = await (await daemon.reading())
        .use('runtime')
        .then(one => one.ping())
        .catch(() => undefined);
      return { json: { version: daemon.version, apiVersions: ['v1beta1'], ...(runtime && { runtime }) } };
    },
  }),
  route({
    method: 'GET',
    path: '/metrics',
    id: 'metrics',
    summary: 'counters, for Prometheus',
    answers: { 200: { what: 'in its text format', type: 'text/plain', schema: { type: 'string' } } },
    async run({ daemon }) {
      return { text: (await daemon.metrics?.()) ?? '', type: 'text/plain; version=0.0.4; charset=utf-8' };
    },
  }),
  route({
    method: 'GET',
    path: '/v1beta1/doctor',
    id: 'diagnose',
    summary: 'what is wrong with this host',
    answers: { 200: listOf('what was found', 'Finding') },
    async run({ daemon }) {
      return { json: { items: await diagnose(await daemon.reading(), daemon.engine.journal()) } };
    },
  }),
  route({
    method: 'POST',
    path: '/v1beta1/doctor',
    id: 'repair',
    summary: 'put right what is wrong with this host, as `kuke doctor --fix`',
    changes: true,
    answers: { 200: listOf('what was found, and whether it is put right', 'Finding') },
    async run({ daemon, peer, line }) {
      const audited = auditedRequest({ daemon, peer }, line);
      const fix = async (signal: AbortSignal) =>
        repair(await daemon.engine.open(), audited.journal(), {
          command: `${line} (uid ${peer.uid})`,
          lockTimeoutMs: daemon.engine.lockTimeoutMs,
          signal,
          progress: () => {},
          notice: () => {},
        });
      try {
        const items = await daemon.changes.run(peer.uid, fix);
        await audited.ended({ resources: fixedBy(items) });
        return { json: { items } };
      } catch (thrown) {
        await audited.ended({ error: errorBody(thrown) });
        throw thrown;
      } finally {
        daemon.view.outdate();
      }
    },
  }),
];
