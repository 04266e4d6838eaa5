/** Reads the recovery target from postgresql.auto.conf of a restored data directory. */
import { parseLsn } from '../postgres/lsn.ts';
import { readAutoConf } from './auto-conf.ts';
import { settingIn, targets } from './recovery-settings.ts';
import { parseTime, type RecoveryTarget } from './recovery-target.ts';

/**
 * The recovery target of a data directory. `latest` if the file sets no target, or if the target is not in
 * the form that a restore writes.
 */
export async function targetIn(directory: string): Promise<RecoveryTarget> {
  try {
    return targetOf(await readAutoConf(directory));
  } catch {
    return { kind: 'latest' };
  }
}

/**
 * The recovery target in the content of a postgresql.auto.conf.
 * @throws RangeError where a value is not valid
 */
export function targetOf(file: Buffer): RecoveryTarget {
  const values = new Map<string, string>();
  for (const line of file.toString('utf8').split('\n')) {
    const [, value] = /^[^=]*=\s*'((?:[^'\\]|''|\\.)*)'/.exec(line) ?? [];
    if (value !== undefined) values.set(settingIn(line), value.replaceAll("''", "'").replace(/\\(.)/g, '$1'));
  }
  const exclusive = values.get('recovery_target_inclusive') === 'off';
  const name = targets.findLast((one) => (values.get(one) ?? '') !== '');
  const value = values.get(name ?? '') ?? '';
  switch (name) {
    case undefined:
      return { kind: 'latest' };
    case 'recovery_target':
      return { kind: 'immediate' };
    case 'recovery_target_name':
      return { kind: 'name', name: value };
    case 'recovery_target_time':
      return { kind: 'time', at: parseTime(value), exclusive };
    case 'recovery_target_xid':
      return { kind: 'xid', xid: value, exclusive };
    case 'recovery_target_lsn':
      return { kind: 'lsn', lsn: parseLsn(value), exclusive };
  }
}
