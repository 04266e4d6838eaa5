/**
 * How PostgreSQL calls us, so that what was made ready for one archive is never used for another: bin/holdfast-wal
 * builds the same text from the same variables, and looks at the configuration file's time.
 */

/** One line; undefined where options or odd values make it none that the script can know. */
export function invocationOf(env: NodeJS.ProcessEnv, hasOptions: boolean): string | undefined {
  const parts = ['HOLDFAST_CONFIG', 'HOLDFAST_REPOSITORY', 'HOLDFAST_CLUSTER'].map((name) => env[name] ?? '');
  const line = parts.join('|');
  return hasOptions || parts.some((part) => /[\n\\|]/.test(part)) ? undefined : line;
}
