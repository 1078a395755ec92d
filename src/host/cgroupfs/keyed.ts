/** The formats of interface files that hold several values (cgroup-v2.rst, "Format"). */

/** Flat keyed: `oom_kill 2`, a line each. */
export function flatKeyed(text: string): Map<string, number> {
  return new Map(lines(text).map(([key = '', value]) => [key, Number(value)]));
}

/** Nested keyed: `254:0 rbps=1048576 wbps=max`, `some avg10=0.00 total=0`. */
export function nestedKeyed(text: string): Map<string, Map<string, string>> {
  return new Map(
    lines(text).map(([key = '', ...pairs]) => [
      key,
      new Map(
        pairs.map(pair => {
          const [name = '', value = ''] = pair.split('=');
          return [name, value];
        }),
      ),
    ]),
  );
}

const lines = (text: string) =>
  text
    .split('\n')
    .map(line => line.split(' ').filter(Boolean))
    .filter(words => words.length > 0);
