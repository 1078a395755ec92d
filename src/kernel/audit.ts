/**
 * Who has changed what on this host: a JSON object a line, a line a command or request, appended and synced when it has ended, in
 * /var/log/kukeon/audit.jsonl (daemon-places.ts). For people (`kuke history`, `kuke describe`) and for whoever collects it; nothing is decided
 * by it. A command that begins to change something leaves a line before, so that also one that was killed is known.
 */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fdatasyncSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import type { Outcome } from './apply.ts';
import { DAEMON_GROUP } from './daemon-places.ts';
import type { Diagnosis } from './doctor.ts';
import { appendLine, lineFiles, linesIn, lineValue, rotateLines } from './line-log.ts';
import { describe } from './resource.ts';
import { HIDDEN, isSecretField, withoutSecrets } from './secret-fields.ts';
import { groupId, userName } from './system-accounts.ts';

const failure = v.object({ code: v.string(), message: v.string() });

const change = v.object({ path: v.string(), from: v.optional(v.unknown()), to: v.optional(v.unknown()) });

const affected = v.object({
  /** `cell main/default/blog/web` */
  resource: v.string(),
  /** `created`, `updated`, `deleted`, `failed`, ...; as the command has told it. */
  result: v.string(),
  /** The spec, field by field; what may be a secret is left out. */
  changes: v.exactOptional(v.array(change)),
  /** The operations that changed the host. */
  steps: v.exactOptional(v.array(v.string())),
  error: v.exactOptional(failure),
});

const entry = v.object({
  /** RFC 3339, UTC: of its end; of its beginning where the result is `begun`. */
  at: v.string(),
  /** The same in a command's lines. */
  id: v.exactOptional(v.string()),
  /** Who asked for it, as the kernel says; absent where only an earlier kuke knew. */
  uid: v.exactOptional(v.number()),
  pid: v.exactOptional(v.number()),
  user: v.exactOptional(v.string()),
  /** Who that user was at login, before sudo. */
  login: v.exactOptional(v.string()),
  /** `kuke apply -f web.yaml`, as it was typed; `POST /v1beta1/apply` */
  command: v.string(),
  /** `begun`: only the line before; after a crash what became of the plan that was under way. */
  result: v.picklist([
    'begun',
    'done',
    'failed',
    'undone after a crash',
    'finished after a crash',
    'failed after a crash',
    'taken over',
  ]),
  /** Milliseconds. */
  ms: v.exactOptional(v.number()),
  error: v.exactOptional(failure),
  resources: v.array(affected),
});

export type AuditEntry = v.InferOutput<typeof entry>;
export type Affected = v.InferOutput<typeof affected>;
/** Who asks. */
export type Actor = Pick<AuditEntry, 'uid' | 'pid' | 'user' | 'login'>;

/** The command of what kukeond does without anybody's asking, of which its own events tell more. */
export const BY_ITSELF = 'kukeond';

export interface AuditFile {
  path: string;
  /** What an installation has while it is one: without it nothing is kept, and what was kept goes. */
  instance: string;
}

/** Then it is called `audit.jsonl.1`, and the one before that `audit.jsonl.2`. */
const MAX_BYTES = 8 * 1024 * 1024;
const KEPT = 4;

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/** Durable when it returns. Throws file errors. */
export function appendAudit({ path, instance }: AuditFile, made: AuditEntry): void {
  if (forgetAudit({ path, instance })) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
  try {
    const { gid, mode, size } = fstatSync(fd);
    const group = groupId(DAEMON_GROUP) ?? 0;
    if (gid !== group) fchownSync(fd, 0, group);
    if ((mode & 0o777) !== 0o640) fchmodSync(fd, 0o640);
    appendLine(fd, made);
    fdatasyncSync(fd);
    if (size > MAX_BYTES) rotateLines(path, KEPT, fd);
  } finally {
    closeSync(fd);
  }
}

/** An init that came to nothing, and an uninstall, leave nothing. False: there is an installation, which keeps its log. */
export function forgetAudit({ path, instance }: AuditFile): boolean {
  if (existsSync(instance)) return false;
  removeAudit(path);
  return true;
}

function removeAudit(path: string): void {
  try {
    for (const file of auditFiles(path)) rmSync(file, { force: true });
    rmdirSync(dirname(path));
  } catch {} // it is not there, or cannot be removed, or somebody's logs are in it
}

/** Oldest first; the last is the one that grows. */
export const auditFiles = (path: string): string[] => lineFiles(path, KEPT);

/** Undefined: it is none; the last one may be cut off. */
export function auditLine(line: string): AuditEntry | undefined {
  const parsed = v.safeParse(entry, lineValue(line));
  return parsed.success ? parsed.output : undefined;
}

/**
 * Oldest first; with `begun` only those that have no other line, for their command was killed or goes on. `about`: those with this resource alone,
 * in any case, and so none of these. Throws file errors.
 */
export async function readAudit(path: string, about?: string): Promise<AuditEntry[]> {
  const name = about?.toLowerCase();
  const isMeant = ({ resources }: AuditEntry): boolean =>
    name === undefined || resources.some(({ resource }) => resource.toLowerCase() === name);
  const entries: AuditEntry[] = [];
  for await (const line of linesIn(auditFiles(path))) {
    const one = auditLine(line);
    if (one !== undefined && isMeant(one)) entries.push(one);
  }
  const ended = new Set(entries.flatMap(({ id, result }) => (id !== undefined && result !== 'begun' ? [id] : [])));
  return entries.filter(({ id, result }) => result !== 'begun' || id === undefined || !ended.has(id));
}

/** What became of resources; those that stay as they were are left out. */
export function affectedBy(outcomes: readonly Outcome[]): Affected[] {
  return outcomes
    .filter(({ result, error }) => error !== undefined || !UNTOUCHED.has(result))
    .map(({ ref, result, changes, steps, error }) => ({
      resource: describe(ref),
      result,
      ...(changes.length > 0 && { changes: changes.map(withoutSecret) }),
      ...(steps.length > 0 && { steps }),
      ...(error !== undefined && { error: { code: error.code, message: error.fault } }),
    }));
}

/** What doctor has put right. */
export const fixedBy = (findings: readonly Pick<Diagnosis, 'resource' | 'code' | 'fixed'>[]): Affected[] =>
  findings.flatMap(({ fixed, resource = 'host', code }) => (fixed ? [{ resource, result: `fixed ${code}` }] : []));

const UNTOUCHED: ReadonlySet<Outcome['result']> = new Set(['unchanged', 'not found', 'not applied'] as const);

/** A change as it may be told to whoever reads: what may be a secret is left out. */
export function withoutSecret({ path, keys, from, to }: Outcome['changes'][number]): v.InferOutput<typeof change> {
  const shown = (value: unknown): unknown => {
    if (value === undefined) return undefined;
    return keys.some(isSecretField) ? HIDDEN : withoutSecrets(value);
  };
  return { path, from: shown(from), to: shown(to) };
}

/** Who is at the other end of the daemon's socket; without: this process. */
export function actorOf(peer: { uid: number; pid: number } | undefined): Actor {
  const { uid, pid } = peer ?? { uid: process.getuid?.() ?? 0, pid: process.pid };
  const user = userName(uid);
  const login = loginOf(pid);
  return { uid, pid, ...(user !== undefined && { user }), ...(login !== undefined && login !== user && { login }) };
}

/** `root (amy)`: amy, by sudo. */
export function whoIs({ user, uid, login }: Pick<AuditEntry, 'user' | 'uid' | 'login'>): string {
  const name = user ?? (uid === undefined ? '-' : String(uid));
  return login === undefined ? name : `${name} (${login})`;
}

/** By the kernel's own record, which lasts through sudo: proc_pid_loginuid(5). */
function loginOf(pid: number): string | undefined {
  try {
    const uid = Number(readFileSync(`/proc/${pid}/loginuid`, 'utf8'));
    return uid === 0xffffffff ? undefined : (userName(uid) ?? String(uid));
  } catch {
    return undefined; // this kernel keeps none
  }
}
