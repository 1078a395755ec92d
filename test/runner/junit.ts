/** Reads what `bun test --reporter=junit` reports. */

export interface Report {
  passed: number;
  failed: number;
  /** Names of the tests that are marked skip or todo, or whose condition did not hold. */
  skipped: string[];
  /** Test files that ran at least one test, as bun names them: relative to its working folder. */
  files: Set<string>;
}

/** Only bun's own layout is read: nested `testsuite`s, one `testcase` a test, with `failure` or `skipped` in it. */
export function parseReport(xml: string): Report {
  const report: Report = { passed: 0, failed: 0, skipped: [], files: new Set() };
  for (const [, attributes = '', body = ''] of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const attribute = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '';
    report.files.add(attribute('file'));
    if (body.includes('<failure') || body.includes('<error')) report.failed += 1;
    else if (body.includes('<skipped')) report.skipped.push(attribute('name'));
    else report.passed += 1;
  }
  return report;
}
