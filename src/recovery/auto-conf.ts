/** postgresql.auto.conf of a data directory on which no server runs: what stands there beats every other file. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configurationLines, valuesIn } from './configuration-files.ts';
import { writeOwned, type FileOwnership } from './owned-files.ts';
import { withSettings } from './recovery-settings.ts';

export interface Addition {
  /** The data directory. */
  directory: string;
  settings: readonly [string, string][];
  comment: string;
  owned: FileOwnership;
}

export async function addToAutoConf({ directory, settings, comment, owned }: Addition): Promise<void> {
  const before = await readAutoConf(directory);
  await writeOwned(autoConfIn(directory), withSettings(before, settings, comment), owned, { sync: true });
}

export async function readAutoConf(directory: string): Promise<Buffer> {
  return readFile(autoConfIn(directory)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
}

/**
 * What the configuration files in a data directory say of a setting, with what they include; undefined: nothing, or it is
 * elsewhere.
 */
export async function configuredIn(directory: string): Promise<(name: string) => string | undefined> {
  const lines = await configurationLines(directory, join(directory, 'postgresql.conf'));
  const auto = (await readAutoConf(directory)).toString('latin1').split('\n');
  const values = valuesIn([...lines, ...auto]);
  return (name) => values.get(name);
}

export function autoConfIn(directory: string): string {
  return join(directory, 'postgresql.auto.conf');
}
