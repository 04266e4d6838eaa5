/**
 * Builds the recovery settings for postgresql.auto.conf, where settings override those of postgresql.conf.
 * Pure. (The PostgreSQL manual, "Write Ahead Log": Archive Recovery, Recovery Target.)
 */
import { formatLsn } from '../postgres/lsn.ts';
import {
  formatTime,
  type RecoveryTarget,
  type RecoveryTargetAction,
  type RecoveryTargetTimeline,
} from './recovery-target.ts';

/** The recovery that the user asked for. */
export interface RecoveryChoice {
  target: RecoveryTarget;
  /** undefined: PostgreSQL's default, latest. */
  timeline: RecoveryTargetTimeline | undefined;
  action: RecoveryTargetAction;
  /** Whether the restored server becomes a standby. */
  standby: boolean;
  restoreCommand: string;
  /** The value of recovery_end_command; an empty string disables the command. */
  endCommand: string;
  /** Whether archive_mode is turned off. */
  noArchiving: boolean;
}

/**
 * All recovery target settings. PostgreSQL refuses to start if more than one target is set, and
 * postgresql.conf may set one. Unset targets are written first, because an empty value written later would
 * unset the chosen target (xlogrecovery.c: assign_recovery_target).
 */
export const targets = [
  'recovery_target',
  'recovery_target_name',
  'recovery_target_time',
  'recovery_target_xid',
  'recovery_target_lsn',
] as const;

/** All settings of a recovery, as names and values. */
export function recoverySettings(recovery: RecoveryChoice): [string, string][] {
  const { standby, restoreCommand, endCommand, noArchiving } = recovery;
  const settings: [string, string][] = [['restore_command', restoreCommand], ...targetSettings(recovery)];
  // A command that the old cluster would run after a failover is not meant for the restored server.
  settings.push(['recovery_end_command', endCommand]);
  // On a promoted standby, both settings point to the former primary. Another standby may use the slot now.
  settings.push(['primary_conninfo', ''], ['primary_slot_name', '']);
  // The settings of a standby would remove archived WAL behind the recovery, or delay the recovery.
  if (!standby) settings.push(['archive_cleanup_command', ''], ['recovery_min_apply_delay', '0']);
  if (noArchiving) settings.push(['archive_mode', 'off']);
  return settings;
}

/** The settings that select the recovery target. */
export function targetSettings({
  target,
  timeline,
  action,
}: Pick<RecoveryChoice, 'target' | 'timeline' | 'action'>): [string, string][] {
  const chosen = targetSetting(target);
  return [
    ...targets.filter((name) => name !== chosen?.[0]).map((name): [string, string] => [name, '']),
    ['recovery_target_timeline', String(timeline ?? 'latest')],
    ['recovery_target_inclusive', 'exclusive' in target && target.exclusive ? 'off' : 'on'],
    ['recovery_target_action', action],
    ...(chosen === undefined ? [] : [chosen]),
  ];
}

function targetSetting(target: RecoveryTarget): [(typeof targets)[number], string] | undefined {
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

/** Formats settings as lines of a configuration file. */
export function settingLines(settings: readonly [string, string][]): string {
  return settings.map(([name, value]) => `${name} = ${quoted(value)}\n`).join('');
}

/**
 * Appends settings to the content of a configuration file; earlier settings of the same names become
 * comments.
 */
export function withSettings(file: Buffer, settings: readonly [string, string][], comment: string): Buffer {
  const names = new Set(settings.map(([name]) => name));
  // latin1 keeps every byte: the file may contain text in any encoding.
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

/**
 * The name of the parameter that a line of a configuration file sets, in lower case; an empty string if the
 * line sets none.
 */
export function settingIn(line: string): string {
  return /^\s*([A-Za-z_][\w.]*)/.exec(line)?.[1]?.toLowerCase() ?? '';
}

/**
 * Quotes a value for a configuration file. A quote is doubled, and a backslash escapes
 * (src/backend/utils/misc/guc-file.l).
 */
export function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
