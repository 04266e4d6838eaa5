/** Turns the options of a command line or of a request into one recovery target. */
import { HoldfastError, messageOf } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import {
  parsePointName,
  parseTime,
  parseTimeline,
  parseXid,
  type RecoveryTarget,
  type RecoveryTargetTimeline,
} from './recovery-target.ts';

/**
 * Each option, with the parser of its value. The command line has it as --target-time, a request as target_time. At
 * most one target may be given; none means the end of the WAL archive.
 */
export const recoveryTargetParsers = {
  targetTime: parseTime,
  targetLsn: parseLsn,
  targetXid: parseXid,
  targetName: parsePointName,
  targetImmediate: (value: string) => value === 'true',
  targetExclusive: (value: string) => value === 'true',
  targetTimeline: parseTimeline,
};

type AllOptions = {
  [Name in keyof typeof recoveryTargetParsers]?: ReturnType<(typeof recoveryTargetParsers)[Name]>;
};

/** The options for the recovery target, without the one for the timeline. */
export type RecoveryTargetOptions = Omit<AllOptions, 'targetTimeline'>;

/** @throws HoldfastError of kind `usage` where more than one target is given */
export function recoveryTargetFrom(wish: RecoveryTargetOptions): RecoveryTarget {
  const { targetTime, targetLsn, targetXid, targetName, targetImmediate } = wish;
  const exclusive = wish.targetExclusive === true;
  const given: RecoveryTarget[] = [
    ...(targetTime === undefined ? [] : [{ kind: 'time' as const, at: targetTime, exclusive }]),
    ...(targetLsn === undefined ? [] : [{ kind: 'lsn' as const, lsn: targetLsn, exclusive }]),
    ...(targetXid === undefined ? [] : [{ kind: 'xid' as const, xid: targetXid, exclusive }]),
    ...(targetName === undefined ? [] : [{ kind: 'name' as const, name: targetName }]),
    ...(targetImmediate === true ? [{ kind: 'immediate' as const }] : []),
  ];
  const [target = { kind: 'latest' as const }, another] = given;
  if (another !== undefined)
    throw usage(
      'give one target only',
      'give one of --target-time, --target-lsn, --target-xid, --target-name and --target-immediate',
    );
  if (exclusive && !('exclusive' in target))
    throw usage(
      '--target-exclusive needs a time, a place in the WAL or a transaction',
      'leave it out, or add --target-time, --target-lsn or --target-xid',
    );
  return target;
}

function usage(message: string, hint: string): HoldfastError {
  return new HoldfastError('usage', message, { code: 'which_target', hint });
}

/** The names of the options in a request, with the names here. */
const inRequest = new Map(
  Object.keys(recoveryTargetParsers).map((name) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    name as keyof typeof recoveryTargetParsers,
  ]),
);

/**
 * Reads the recovery target from the options of a request. The values have the form that the command line has.
 * @throws HoldfastError of kind `usage` where an option is unknown or not valid
 */
export function readTarget(options: Readonly<Record<string, unknown>>): {
  target: RecoveryTarget;
  timeline: RecoveryTargetTimeline;
} {
  const wish: AllOptions = {};
  for (const [name, value] of Object.entries(options)) {
    const option = inRequest.get(name);
    if (option === undefined)
      throw usage(`there is no option "${name}"`, `give one of ${[...inRequest.keys()].join(', ')}`);
    try {
      Object.assign(wish, { [option]: recoveryTargetParsers[option](String(value)) });
    } catch (error) {
      throw usage(`${name} ${JSON.stringify(value)} ${messageOf(error)}`, 'see "holdfast drill --help"');
    }
  }
  return { target: recoveryTargetFrom(wish), timeline: wish.targetTimeline ?? 'latest' };
}
