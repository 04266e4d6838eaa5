/**
 * The settings of a recovery, for postgresql.auto.conf: there they beat postgresql.conf, wherever that is. Pure.
 * (The PostgreSQL manual, "Write Ahead Log": Archive Recovery, Recovery Target.)
 */
import { formatLsn } from '../postgres/lsn.ts';
import { leaseVariable } from '../repository/renew-lease.ts';
import { formatTime, type Target, type TargetAction, type TargetTimeline } from './target.ts';

export interface Recovery {
  target: Target;
  /** undefined: PostgreSQL's own, latest. */
  timeline: TargetTimeline | undefined;
  action: TargetAction;
  standby: boolean;
  restoreCommand: string;
  /** Turns archiving off. */
  noArchiving: boolean;
}

/**
 * Every target there is: more than one set is an error at the start, and postgresql.conf may have one. Unset ones come
 * first, as setting one to nothing afterwards would unset the other (xlogrecovery.c: assign_recovery_target).
 */
const targets = [
  'recovery_target',
  'recovery_target_name',
  'recovery_target_time',
  'recovery_target_xid',
  'recovery_target_lsn',
] as const;

export function recoverySettings(recovery: Recovery): [string, string][] {
  const { target, timeline, action, standby, restoreCommand, noArchiving } = recovery;
  const chosen = targetSetting(target);
  const settings: [string, string][] = [
    ['restore_command', restoreCommand],
    ...targets.filter((name) => name !== chosen?.[0]).map((name): [string, string] => [name, '']),
    ['recovery_target_timeline', String(timeline ?? 'latest')],
    ['recovery_target_inclusive', 'exclusive' in target && target.exclusive ? 'off' : 'on'],
    ['recovery_target_action', action],
  ];
  if (chosen !== undefined) settings.push(chosen);
  // Those of a standby would clean up the archive behind the recovery, or delay it.
  if (!standby) settings.push(['archive_cleanup_command', ''], ['recovery_min_apply_delay', '0']);
  if (noArchiving) settings.push(['archive_mode', 'off']);
  return settings;
}

function targetSetting(target: Target): [(typeof targets)[number], string] | undefined {
  switch (target.kind) {
    case 'latest':
      return undefined;
    case 'immediate':
      return ['recovery_target', 'immediate'];
    case 'time':
      return ['recovery_target_time', formatTime(target.at)];
    case 'lsn':
      return ['recovery_target_lsn', formatLsn(target.lsn)];
    case 'xid':
      return ['recovery_target_xid', target.xid];
    case 'name':
      return ['recovery_target_name', target.name];
  }
}

/** Lines of a configuration file. */
export function settingLines(settings: readonly [string, string][]): string {
  return settings.map(([name, value]) => `${name} = ${quoted(value)}\n`).join('');
}

/** The file with these settings at its end; earlier ones of the same names become comments. */
export function withSettings(file: Buffer, settings: readonly [string, string][], comment: string): Buffer {
  const names = new Set(settings.map(([name]) => name));
  // Byte by byte: the file may have text in any encoding.
  const before = file
    .toString('latin1')
    .split('\n')
    .map((line) => (names.has(settingIn(line)) ? `#${line}` : line))
    .join('\n');
  const separator = before === '' || before.endsWith('\n') ? '' : '\n';
  return Buffer.concat([
    Buffer.from(`${before}${separator}`, 'latin1'),
    Buffer.from(`# ${comment}\n${settingLines(settings)}`),
  ]);
}

function settingIn(line: string): string {
  return /^\s*([A-Za-z_][\w.]*)/.exec(line)?.[1]?.toLowerCase() ?? '';
}

/** src/backend/utils/misc/guc-file.l: a quote is doubled, a backslash escapes. */
function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

export interface FetchCommand {
  /** bin/holdfast-wal, which does without Node for what the read-ahead has ready. */
  script: string;
  /** The directory of the Node to start where it cannot. */
  nodeDirectory: string;
  repository: string;
  cluster: string;
  /** Whether recovery may end at a hole in the archive: it is known, and behind the target or accepted. */
  despiteMissingWal?: boolean;
  /** The lease to renew. */
  lease?: string | undefined;
}

/** For the shell, with PostgreSQL's placeholders: a percent sign of our own is doubled. */
export function fetchCommand(fetch: FetchCommand): string {
  const { script, nodeDirectory, repository, cluster, despiteMissingWal = false, lease } = fetch;
  const word = (text: string) =>
    /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`.replaceAll('%', '%%');
  const variables = [
    `PATH=${word(nodeDirectory)}:"$PATH"`,
    `HOLDFAST_REPOSITORY=${word(repository)}`,
    `HOLDFAST_CLUSTER=${word(cluster)}`,
    ...(despiteMissingWal ? ['HOLDFAST_DESPITE_MISSING_WAL=1'] : []),
    ...(lease === undefined ? [] : [`${leaseVariable}=${lease}`]),
  ];
  return [...variables, word(script), 'fetch', '"%f"', '"%p"'].join(' ');
}
