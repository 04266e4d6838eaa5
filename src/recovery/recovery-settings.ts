/**
 * The settings of a recovery, for postgresql.auto.conf: there they beat postgresql.conf, wherever that is. Pure.
 * (The PostgreSQL manual, "Write Ahead Log": Archive Recovery, Recovery Target.)
 */
import { formatLsn } from '../postgres/lsn.ts';
import {
  formatTime,
  type RecoveryTarget,
  type RecoveryTargetAction,
  type RecoveryTargetTimeline,
} from './recovery-target.ts';

export interface RecoveryChoice {
  target: RecoveryTarget;
  /** undefined: PostgreSQL's own, latest. */
  timeline: RecoveryTargetTimeline | undefined;
  action: RecoveryTargetAction;
  standby: boolean;
  restoreCommand: string;
  /** What PostgreSQL runs once recovery is over; empty: nothing. */
  endCommand: string;
  /** Turns archiving off. */
  noArchiving: boolean;
}

/**
 * Every target there is: more than one set is an error at the start, and postgresql.conf may have one. Unset ones come
 * first, as setting one to nothing afterwards would unset the other (xlogrecovery.c: assign_recovery_target).
 */
export const targets = [
  'recovery_target',
  'recovery_target_name',
  'recovery_target_time',
  'recovery_target_xid',
  'recovery_target_lsn',
] as const;

export function recoverySettings(recovery: RecoveryChoice): [string, string][] {
  const { standby, restoreCommand, endCommand, noArchiving } = recovery;
  const settings: [string, string][] = [['restore_command', restoreCommand], ...targetSettings(recovery)];
  // What the old cluster would run at its failover is not for the new one.
  settings.push(['recovery_end_command', endCommand]);
  // Of a promoted standby they lead to its former primary; its slot may be another standby's by now.
  settings.push(['primary_conninfo', ''], ['primary_slot_name', '']);
  // Those of a standby would clean up the archive behind the recovery, or delay it.
  if (!standby) settings.push(['archive_cleanup_command', ''], ['recovery_min_apply_delay', '0']);
  if (noArchiving) settings.push(['archive_mode', 'off']);
  return settings;
}

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

export function settingIn(line: string): string {
  return /^\s*([A-Za-z_][\w.]*)/.exec(line)?.[1]?.toLowerCase() ?? '';
}

/** src/backend/utils/misc/guc-file.l: a quote is doubled, a backslash escapes. */
export function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
