/**
 * Describes how PostgreSQL invokes Holdfast, so that segments prefetched from one archive are never used for another.
 * bin/holdfast-wal builds the same text from the same variables, and compares the modification time of the
 * configuration file.
 */

/**
 * Returns one line; undefined where the script cannot build the same line, because of options or special characters.
 */
export function invocationOf(env: NodeJS.ProcessEnv, hasOptions: boolean): string | undefined {
  const parts = ['HOLDFAST_CONFIG', 'HOLDFAST_REPOSITORY', 'HOLDFAST_CLUSTER'].map((name) => env[name] ?? '');
  const line = parts.join('|');
  return hasOptions || parts.some((part) => /[\n\\|]/.test(part)) ? undefined : line;
}
