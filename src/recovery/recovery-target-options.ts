/** From what somebody asks for to one target: on the command line, or in the options of a chore. */
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

export interface RecoveryTargetOptions {
  targetTime?: RecoveryPointInTime;
  targetLsn?: bigint;
  targetXid?: string;
  targetName?: string;
  targetImmediate?: boolean;
  targetExclusive?: boolean;
}

/** @throws HoldfastError of kind `usage` where there are two */
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

/** In JSON as on the command line. */
const readers: Record<string, Reader> = {
  target_time: (value) => ({ targetTime: parseTime(value) }),
  target_lsn: (value) => ({ targetLsn: parseLsn(value) }),
  target_xid: (value) => ({ targetXid: parseXid(value) }),
  target_name: (value) => ({ targetName: parsePointName(value) }),
  target_immediate: (value) => ({ targetImmediate: value === 'true' }),
  target_exclusive: (value) => ({ targetExclusive: value === 'true' }),
  target_timeline: (value) => ({ targetTimeline: parseTimeline(value) }),
};

/** @throws HoldfastError of kind `usage` for what is no such option */
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
