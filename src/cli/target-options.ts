/** Options of `holdfast restore` that say how far to go, as PostgreSQL's recovery targets. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { HoldfastError } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import {
  parseTime,
  type PointInTime,
  type Target,
  type TargetAction,
  type TargetTimeline,
} from '../restore/target.ts';

export interface PointOptions {
  targetTime?: PointInTime;
  targetLsn?: bigint;
  targetXid?: string;
  targetName?: string;
  targetImmediate?: boolean;
  targetExclusive?: boolean;
  targetTimeline: TargetTimeline;
}

export interface TargetOptions extends PointOptions {
  targetAction: TargetAction;
}

export function addTargetOptions(command: Command): void {
  addPointOptions(command);
  command.addOption(
    new Option('--target-action <action>', 'what the server does there')
      .choices(['pause', 'promote', 'shutdown'])
      .default('pause'),
  );
}

/** How far, without what happens there. */
export function addPointOptions(command: Command): void {
  command
    .option(
      '--target-time <time>',
      'to this time, with its offset from UTC: "2026-03-14 12:00:00+00"',
      refusing(parseTime),
    )
    .option('--target-lsn <lsn>', 'to this place in the WAL', refusing(parseLsn))
    .option('--target-xid <xid>', 'to the end of this transaction', xidOption)
    .option('--target-name <name>', 'to the point that pg_create_restore_point gave this name', nameOption)
    .option('--target-immediate', 'to the end of the backup, as soon as it is consistent')
    .option('--target-exclusive', 'to just before that time, place or transaction')
    .addOption(
      new Option('--target-timeline <timeline>', 'latest, current (of the backup), or its number')
        .argParser(timelineOption)
        .default('latest'),
    );
}

/** @throws HoldfastError of kind `usage` where there are two */
export function targetFrom(options: PointOptions): Target {
  const { targetTime, targetLsn, targetXid, targetName, targetImmediate } = options;
  const exclusive = options.targetExclusive === true;
  const given: Target[] = [
    ...(targetTime === undefined ? [] : [{ kind: 'time' as const, at: targetTime, exclusive }]),
    ...(targetLsn === undefined ? [] : [{ kind: 'lsn' as const, lsn: targetLsn, exclusive }]),
    ...(targetXid === undefined ? [] : [{ kind: 'xid' as const, xid: targetXid, exclusive }]),
    ...(targetName === undefined ? [] : [{ kind: 'name' as const, name: targetName }]),
    ...(targetImmediate === true ? [{ kind: 'immediate' as const }] : []),
  ];
  const [target = { kind: 'latest' as const }, another] = given;
  if (another !== undefined)
    throw usage('give one target only', 'one of --target-time, -lsn, -xid, -name and -immediate');
  if (exclusive && !('exclusive' in target))
    throw usage(
      '--target-exclusive needs a time, a place in the WAL or a transaction',
      'see "holdfast restore --help"',
    );
  return target;
}

function usage(message: string, hint: string): HoldfastError {
  return new HoldfastError('usage', message, { code: 'which_target', hint });
}

function refusing<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as RangeError).message);
    }
  };
}

function xidOption(text: string): string {
  if (/^\d{1,20}$/.test(text) && text !== '0') return text;
  throw new InvalidArgumentError('it is not the number of a transaction');
}

/** src/include/catalog/pg_control.h: MAXFNAMELEN */
function nameOption(text: string): string {
  if (text !== '' && Buffer.byteLength(text) < 64) return text;
  throw new InvalidArgumentError('the name of a restore point has 1 to 63 bytes');
}

function timelineOption(text: string): TargetTimeline {
  if (text === 'latest' || text === 'current') return text;
  const number = Number(text);
  if (/^\d+$/.test(text) && number > 0 && number < 2 ** 32) return number;
  throw new InvalidArgumentError('it is "latest", "current" or a number');
}
