/** What a container's entry says of how it is kept running and ended (docs/supervision.md). All of it changes in place. */
import { DURATION_PATTERN, didYouMean, durationMs, LONGEST_MS, SIGNAL_NAMES, signalNumber } from 'kuke/plugin';
import * as v from 'valibot';

const inPlace = <T>() => v.metadata<T, { kuke: { change: 'in-place' } }>({ kuke: { change: 'in-place' } });
const text = v.pipe(v.string(), v.regex(/^[^\0]*$/, 'must not contain a NUL character'));

/** `least`: in milliseconds. */
const duration = (least: number, description: string) =>
  v.exactOptional(
    v.pipe(
      v.union([v.string(), v.number()]),
      v.check(given => {
        const ms = durationMs(given);
        return ms !== undefined && ms >= least && ms <= LONGEST_MS;
      }, `must be a time such as 10s, 500ms or 5m, of ${least} ms at least and 24 days at most`),
      v.metadata({ kuke: { pattern: DURATION_PATTERN } }),
      v.description(description),
    ),
  );

const port = v.pipe(
  v.number(),
  v.integer('must be a port from 1 to 65535'),
  v.minValue(1, 'must be a port from 1 to 65535'),
  v.maxValue(65535, 'must be a port from 1 to 65535'),
  v.description('port that it listens on, in the cell'),
);

const host = v.exactOptional(
  v.pipe(v.string(), v.ip('must be an address such as 127.0.0.1'), v.description('address in the cell (127.0.0.1)')),
);

const KINDS_OF_CHECK = ['exec', 'http', 'tcp'] as const;

export const healthcheck = v.exactOptional(
  v.pipe(
    v.strictObject({
      exec: v.exactOptional(
        v.pipe(
          v.strictObject({
            command: v.pipe(
              v.array(text),
              v.minLength(1, 'must not be empty'),
              v.description('program and arguments; it is well when that ends with 0'),
            ),
          }),
          v.description('a program that is run in the container'),
        ),
      ),
      http: v.exactOptional(
        v.pipe(
          v.strictObject({
            port,
            host,
            path: v.exactOptional(
              v.pipe(
                v.string(),
                v.regex(/^\/[\x21-\x7e]*$/, 'must be a path such as /healthz, without spaces'),
                v.description('path that is asked for, with a query if there is one (/)'),
              ),
            ),
            headers: v.exactOptional(
              v.pipe(
                v.record(
                  v.pipe(v.string(), v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'is no name of a header')),
                  v.pipe(v.string(), v.regex(/^[\t\x20-\x7e]*$/, 'must be text in one line')),
                ),
                v.description('headers of the request besides Host'),
              ),
            ),
          }),
          v.description('a GET from inside the cell; it is well when the answer’s status is 200 to 399'),
        ),
      ),
      tcp: v.exactOptional(
        v.pipe(
          v.strictObject({ port, host }),
          v.description('a connection from inside the cell; it is well when that is accepted'),
        ),
      ),
      interval: duration(100, 'from the end of one look to the next (30s)'),
      timeout: duration(100, 'how long a look may take; longer is a failure (30s)'),
      retries: v.exactOptional(
        v.pipe(
          v.number(),
          v.integer('must be a whole number'),
          v.minValue(1, 'must be at least 1'),
          v.maxValue(1000, 'must be at most 1000'),
          v.description('so many failures in a row make it unhealthy (3)'),
        ),
      ),
      startPeriod: duration(0, 'after its start, in which failures do not count (0s)'),
    }),
    v.check(
      said => KINDS_OF_CHECK.filter(kind => said[kind] !== undefined).length === 1,
      'must say one of exec, http and tcp',
    ),
    inPlace(),
    v.description(
      'how it is found out whether the container is well; kukeond looks, and so does a start that waits for it',
    ),
  ),
);

export const onUnhealthy = v.exactOptional(
  v.pipe(
    v.picklist(['restart', 'stop', 'none']),
    inPlace(),
    v.description(
      'what is done when its health check fails; absent: `none`, and it is not ready until it is well again',
    ),
  ),
);

export const restartPolicy = v.exactOptional(
  v.pipe(
    v.picklist(['never', 'on-failure', 'always']),
    inPlace(),
    v.description(
      'whether kukeond starts it again when it ends; absent: `never`. `kuke stop` is the end of it in any case',
    ),
  ),
);

export const restartMaxRetries = v.exactOptional(
  v.pipe(
    v.number(),
    v.integer('must be a whole number'),
    v.minValue(0, 'must be at least 0'),
    v.maxValue(1_000_000, 'must be at most 1000000'),
    inPlace(),
    v.description(
      'how often it is started again in a row, without ten minutes of health in between; absent: always again',
    ),
  ),
);

export const terminationGracePeriodSeconds = v.exactOptional(
  v.pipe(
    v.number(),
    v.minValue(0, 'must be at least 0'),
    v.maxValue(86_400, 'must be at most 86400, which is a day'),
    inPlace(),
    v.description(
      'from the stop signal to SIGKILL, in seconds; 0: SIGKILL at once; absent: 10. `--timeout` goes before it',
    ),
  ),
);

const asSignal = (name: string): string => `SIG${name.toUpperCase().replace(/^SIG/, '')}`;

export const stopSignal = v.exactOptional(
  v.pipe(
    v.string('must be the name of a signal, or its number in quotes'),
    v.check(
      name => signalNumber(name) !== undefined,
      issue => `\`${issue.input}\` is no signal${didYouMean(asSignal(String(issue.input)), SIGNAL_NAMES)}`,
    ),
    inPlace(),
    v.description('signal that asks it to end: `SIGQUIT`, `QUIT` or "3"; absent: that of the image, else SIGTERM'),
  ),
);
