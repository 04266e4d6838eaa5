/**
 * Reads and extends postgresql.auto.conf of a data directory on which no server runs. Settings in
 * postgresql.auto.conf override those of every other configuration file.
 */
import { join } from 'node:path';
import { configurationLines, valuesIn } from './configuration-files.ts';
import { readOwned, writeOwned, type FileOwnership } from './owned-files.ts';
import { withSettings } from './recovery-settings.ts';

/** Settings that are added to a postgresql.auto.conf. */
export interface Addition {
  /** The data directory. */
  directory: string;
  settings: readonly [string, string][];
  /** Text of the comment line above the settings. */
  comment: string;
  owned: FileOwnership;
}

/** Appends settings to postgresql.auto.conf, and comments out earlier settings of the same names. */
export async function addToAutoConf({ directory, settings, comment, owned }: Addition): Promise<void> {
  const before = await readAutoConf(directory, owned);
  await writeOwned(autoConfIn(directory), withSettings(before, settings, comment), owned, { sync: true });
}

/** The content of postgresql.auto.conf; empty if the file does not exist. `owned`: see readOwned(). */
export async function readAutoConf(
  directory: string,
  owned: Pick<FileOwnership, 'owner'> = { owner: undefined },
): Promise<Buffer> {
  return (await readOwned(autoConfIn(directory), owned)) ?? Buffer.alloc(0);
}

/**
 * Returns a function that looks up a setting in postgresql.conf of a data directory, in the included files
 * and in postgresql.auto.conf. The result is undefined if no file sets the parameter, or if the configuration
 * is outside of the data directory.
 */
export async function configuredIn(directory: string): Promise<(name: string) => string | undefined> {
  const lines = await configurationLines(directory, join(directory, 'postgresql.conf'));
  const auto = (await readAutoConf(directory)).toString('latin1').split('\n');
  const values = valuesIn([...lines, ...auto]);
  return (name) => values.get(name);
}

/** The path of postgresql.auto.conf. */
export function autoConfIn(directory: string): string {
  return join(directory, 'postgresql.auto.conf');
}
