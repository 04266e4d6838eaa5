/** The options of `holdfast restore` and `holdfast drill` for PostgreSQL's recovery target. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { RecoveryTargetAction, RecoveryTargetTimeline } from '../recovery/recovery-target.ts';
import { recoveryTargetParsers, type RecoveryTargetOptions } from '../recovery/recovery-target-options.ts';

/** The recovery target and the timeline. */
export interface TargetPointOptions extends RecoveryTargetOptions {
  targetTimeline: RecoveryTargetTimeline;
}

/** The recovery target, the timeline and the action at the target. */
export interface TargetCommandOptions extends TargetPointOptions {
  targetAction: RecoveryTargetAction;
}

/** Adds the options for the recovery target and for the action at the target. */
export function addTargetOptions(command: Command): void {
  addPointOptions(command);
  command.addOption(
    new Option('--target-action <action>', 'what the server does there')
      .choices(['pause', 'promote', 'shutdown'])
      .default('pause'),
  );
}

/** Adds the options for the recovery target without the action. */
export function addPointOptions(command: Command): void {
  const parsers = recoveryTargetParsers;
  command
    .option(
      '--target-time <time>',
      'to this time, with its offset from UTC: "2026-03-14 12:00:00+00"',
      refusing(parsers.targetTime),
    )
    .option('--target-lsn <lsn>', 'to this place in the WAL', refusing(parsers.targetLsn))
    .option('--target-xid <xid>', 'to the end of this transaction', refusing(parsers.targetXid))
    .option(
      '--target-name <name>',
      'to the point that pg_create_restore_point gave this name',
      refusing(parsers.targetName),
    )
    .option('--target-immediate', 'to the end of the backup, as soon as it is consistent')
    .option('--target-exclusive', 'to just before that time, place or transaction')
    .addOption(
      new Option('--target-timeline <timeline>', 'latest, current (of the backup), or its number')
        .argParser(refusing(parsers.targetTimeline))
        .default('latest'),
    );
}

/** Turns the RangeError of a parser into commander's error for a wrong argument. */
export function refusing<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as RangeError).message);
    }
  };
}
