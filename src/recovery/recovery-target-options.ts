/** Turns the options of a command line or of a request into one recovery target. */
import { HoldfastError, messageOf } from '../errors.ts';
import { parseLsn } from '../postgres/lsn.ts';
import {
  parsePointName,
  parseTime,
  parseTimeline,
  parseXid,
  type RecoveryPointInTime,
  type RecoveryTarget,
  type RecoveryTargetTimeline,
} from './recovery-target.ts';

/** The recovery target options. At most one target may be given; none means the end of the WAL archive. */
export interface RecoveryTargetOptions {
  targetTime?: RecoveryPointInTime;
  targetLsn?: bigint;
  targetXid?: string;
  targetName?: string;
  targetImmediate?: boolean;
  targetExclusive?: boolean;
}

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

type Reader = (value: string) => RecoveryTargetOptions & { targetTimeline?: RecoveryTargetTimeline };

/** The options of a request in JSON. The values have the form that the command line has. */
const readers: Record<string, Reader> = {
  target_time: (value) => ({ targetTime: parseTime(value) }),
  target_lsn: (value) => ({ targetLsn: parseLsn(value) }),
  target_xid: (value) => ({ targetXid: parseXid(value) }),
  target_name: (value) => ({ targetName: parsePointName(value) }),
  target_immediate: (value) => ({ targetImmediate: value === 'true' }),
  target_exclusive: (value) => ({ targetExclusive: value === 'true' }),
  target_timeline: (value) => ({ targetTimeline: parseTimeline(value) }),
};

/**
 * Reads the recovery target from the options of a request.
 * @throws HoldfastError of kind `usage` where an option is unknown or not valid
 */
export function readTarget(options: Readonly<Record<string, unknown>>): {
  target: RecoveryTarget;
  timeline: RecoveryTargetTimeline;
} {
  const wish: RecoveryTargetOptions & { targetTimeline?: RecoveryTargetTimeline } = {};
  for (const [name, value] of Object.entries(options)) {
    const read = readers[name];
    if (read === undefined)
      throw usage(`there is no option "${name}"`, `there are ${Object.keys(readers).join(', ')}`);
    try {
      Object.assign(wish, read(String(value)));
    } catch (error) {
      throw usage(`${name} ${JSON.stringify(value)} ${messageOf(error)}`, 'see "holdfast drill --help"');
    }
  }
  return { target: recoveryTargetFrom(wish), timeline: wish.targetTimeline ?? 'latest' };
}
