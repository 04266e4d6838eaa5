/**
 * Once a recovery is over, its target is a trap: a standby that is made of the server later would stop there, and
 * promote itself. So it leaves postgresql.auto.conf, and what else was meant for the recovery alone.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { autoConfIn, readAutoConf } from '../recovery/auto-conf.ts';
import { ownershipOf, writeOwned } from '../recovery/owned-files.ts';
import { settingIn, settingLines, targets } from '../recovery/recovery-settings.ts';

/** Empty targets stay: postgresql.conf, wherever it is, may have one. */
const emptied = new Map<string, string>([
  ...targets.map((name) => [name, ''] as const),
  ['recovery_target_timeline', 'latest'],
  ['recovery_end_command', ''],
]);
const dropped = ['recovery_target_inclusive', 'recovery_target_action', 'hot_standby'];

/** What a restore writes into its restore_command. */
const variables =
  /(?<=[ '])(?:HOLDFAST_DESPITE_MISSING_WAL=1|HOLDFAST_LEASE=[0-9A-Za-z-]+|HOLDFAST_LOOKED_TO=[0-9A-Za-z]+) /g;

/** The file without them, and everything else byte for byte. */
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

/** Of a server's data directory, by the server's user. */
export async function forgetTarget(directory: string): Promise<void> {
  const before = await readAutoConf(directory);
  const after = withoutTarget(before);
  if (after.equals(before)) return;
  const path = autoConfIn(directory);
  const owned = await ownershipOf(path);
  // PostgreSQL's tools pass over what begins so.
  const temporary = join(directory, temporaryName('pgsql_tmp.holdfast'));
  try {
    await writeOwned(temporary, after, owned, { sync: true });
    // Whoever has used ALTER SYSTEM meanwhile comes first; "holdfast check" says that the target is there.
    if (!(await readFile(path)).equals(before)) throw new Error(`"${path}" has just been changed`);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await fsyncDirectory(directory);
}
