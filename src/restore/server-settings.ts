/** What a restored server needs beside the settings of its recovery. Pure. */
import { requiredParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import type { RecoveryChoice } from '../recovery/recovery-settings.ts';

export interface ServerNeeds {
  major: number;
  /** The least that a server needs on the way. */
  required: RequiredParameters;
  /** What its own configuration says; undefined: it is not known, or says nothing. */
  configured: (name: string) => string | undefined;
}

/** PostgreSQL's own, from 12 to 19. */
const defaults: RequiredParameters = {
  max_connections: 100,
  max_worker_processes: 8,
  max_wal_senders: 10,
  max_prepared_transactions: 0,
  max_locks_per_transaction: 64,
};
/** Replay makes use of these. The others count for those who look at it. */
const forReplay = ['max_prepared_transactions', 'max_locks_per_transaction'];

/** What keeps recovery from pausing, or ending, where the primary has had more of something. */
export function serverSettings(
  recovery: RecoveryChoice,
  { major, required, configured }: ServerNeeds,
): [string, string][] {
  const isSeen = isLookedAt(recovery);
  const short = requiredParameters.filter((name) => {
    const has = Number(configured(name) ?? defaults[name]);
    return (isSeen || forReplay.includes(name)) && !(has >= required[name]);
  });
  const settings = short.map((name): [string, string] => [name, String(required[name])]);
  if (!isSeen) settings.push(['hot_standby', 'off']);
  // A file that the old cluster was promoted by may still be there.
  if (!recovery.standby && major < 16) settings.push(['promote_trigger_file', '']);
  return settings;
}

/** Whether somebody is to look at the server while it recovers. */
function isLookedAt({ standby, target, action }: RecoveryChoice): boolean {
  return standby || (target.kind !== 'latest' && action === 'pause');
}
