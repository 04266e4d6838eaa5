/** Options of `holdfast restore` that say how far to go, as PostgreSQL's recovery targets. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseLsn } from '../postgres/lsn.ts';
import {
  parsePointName,
  parseTime,
  parseTimeline,
  parseXid,
  type RecoveryTargetAction,
  type RecoveryTargetTimeline,
} from '../recovery/recovery-target.ts';
import type { RecoveryTargetOptions } from '../recovery/recovery-target-options.ts';

export interface TargetPointOptions extends RecoveryTargetOptions {
  targetTimeline: RecoveryTargetTimeline;
}

export interface TargetCommandOptions extends TargetPointOptions {
  targetAction: RecoveryTargetAction;
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
    .option('--target-xid <xid>', 'to the end of this transaction', refusing(parseXid))
    .option(
      '--target-name <name>',
      'to the point that pg_create_restore_point gave this name',
      refusing(parsePointName),
    )
    .option('--target-immediate', 'to the end of the backup, as soon as it is consistent')
    .option('--target-exclusive', 'to just before that time, place or transaction')
    .addOption(
      new Option('--target-timeline <timeline>', 'latest, current (of the backup), or its number')
        .argParser(refusing(parseTimeline))
        .default('latest'),
    );
}

/** What it refuses is wrong usage. */
export function refusing<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as RangeError).message);
    }
  };
}
