/** Where the recovery of a data directory is to end, as its postgresql.auto.conf says. */
import { parseLsn } from '../postgres/lsn.ts';
import { readAutoConf } from './auto-conf.ts';
import { settingIn, targets } from './recovery-settings.ts';
import { parseTime, type RecoveryTarget } from './recovery-target.ts';

/** Nowhere, where it says nothing, or in another way than a restore writes it. */
export async function targetIn(directory: string): Promise<RecoveryTarget> {
  try {
    return targetOf(await readAutoConf(directory));
  } catch {
    return { kind: 'latest' };
  }
}

/** @throws RangeError */
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
