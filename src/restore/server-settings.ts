/** Decides the settings that a restored server needs in addition to the recovery settings. Pure. */
import type { RequiredParameters } from '../postgres/required-parameters.ts';
import type { RecoveryChoice } from '../recovery/recovery-settings.ts';
import { shortSettings } from '../recovery/short-settings.ts';

/** The input of serverSettings(). */
export interface ServerNeeds {
  /** Major version of the server. */
  major: number;
  /** The minimum values that replay needs. */
  required: RequiredParameters;
  /** The value in the server's configuration; undefined if the value is not set or not known. */
  configured: (name: string) => string | undefined;
}

/** Settings that keep recovery from pausing or ending because a setting of the primary was larger. */
export function serverSettings(
  recovery: RecoveryChoice,
  { major, required, configured }: ServerNeeds,
): [string, string][] {
  const isSeen = isLookedAt(recovery);
  const settings: [string, string][] = shortSettings(required, configured, isSeen);
  if (!isSeen) settings.push(['hot_standby', 'off']);
  // The file that promoted the old cluster may still exist.
  if (!recovery.standby && major < 16) settings.push(['promote_trigger_file', '']);
  return settings;
}

/** Whether users will query the server during recovery (hot standby). */
function isLookedAt({ standby, target, action }: RecoveryChoice): boolean {
  return standby || (target.kind !== 'latest' && action === 'pause');
}
