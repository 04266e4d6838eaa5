/**
 * Removes the recovery target from postgresql.auto.conf once recovery is over. A standby made from the server
 * later would otherwise stop at the target, and promote itself. Other settings for the recovery are removed,
 * too.
 */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { autoConfIn, readAutoConf } from '../recovery/auto-conf.ts';
import { ownershipOf, writeOwned } from '../recovery/owned-files.ts';
import { settingIn, settingLines, targets } from '../recovery/recovery-settings.ts';

/** Settings that are reset instead of removed, because a postgresql.conf in any place may set a target. */
const emptied = new Map<string, string>([
  ...targets.map((name) => [name, ''] as const),
  ['recovery_target_timeline', 'latest'],
  ['recovery_end_command', ''],
]);
/** Settings that are removed. */
const dropped = ['recovery_target_inclusive', 'recovery_target_action', 'hot_standby'];

/** The variables that a restore writes into restore_command. */
const variables =
  /(?<=[ '])(?:HOLDFAST_DESPITE_MISSING_WAL=1|HOLDFAST_LEASE=[0-9A-Za-z-]+|HOLDFAST_LOOKED_TO=[0-9A-Za-z]+) /g;

/** The content of postgresql.auto.conf without the target; all other bytes stay the same. */
export function withoutTarget(file: Buffer): Buffer {
  const lines = file
    .toString('latin1')
    .split('\n')
    .flatMap((line) => {
      const name = settingIn(line);
      const value = emptied.get(name);
      if (value !== undefined) return [settingLines([[name, value]]).trimEnd()];
      if (name === 'restore_command') return [line.replaceAll(variables, '')];
      return dropped.includes(name) ? [] : [line];
    });
  return Buffer.from(lines.join('\n'), 'latin1');
}

/**
 * Removes the target from postgresql.auto.conf in the data directory of a server. Runs as the server's user.
 * @throws Error where the file was changed at the same time
 */
export async function forgetTarget(directory: string): Promise<void> {
  const before = await readAutoConf(directory);
  const after = withoutTarget(before);
  if (after.equals(before)) return;
  const path = autoConfIn(directory);
  const owned = await ownershipOf(path);
  // pg_basebackup and other PostgreSQL tools skip file names that begin with pgsql_tmp.
  const temporary = join(directory, temporaryName('pgsql_tmp.holdfast'));
  try {
    await writeOwned(temporary, after, owned, { sync: true });
    // A concurrent ALTER SYSTEM takes precedence; "holdfast check" then reports the target.
    if (!(await readAutoConf(directory)).equals(before)) throw new Error(`"${path}" has just been changed`);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await fsyncDirectory(directory);
}
