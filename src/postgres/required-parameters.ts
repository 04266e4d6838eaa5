/**
 * The settings that must be at least as large on a standby as on the primary (the PostgreSQL manual, "Hot Standby":
 * Administrator's Overview). pg_control and the WAL record of a change have the values in this order.
 */
export const requiredParameters = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
] as const;

/** The values of these settings. */
export type RequiredParameters = Record<(typeof requiredParameters)[number], number>;

/**
 * Reads the values at offset `at` (src/include/catalog/pg_control.h: ControlFileData;
 * src/include/access/xlog_internal.h: xl_parameter_change).
 */
export function readRequiredParameters(bytes: Buffer, at: number): RequiredParameters {
  const read = requiredParameters.map((name, index) => [name, bytes.readInt32LE(at + 4 * index)] as const);
  return Object.fromEntries(read) as RequiredParameters;
}

/** Returns the larger value of each setting. */
export function greaterParameters(one: RequiredParameters, other: RequiredParameters): RequiredParameters {
  const greater = requiredParameters.map((name) => [name, Math.max(one[name], other[name])] as const);
  return Object.fromEntries(greater) as RequiredParameters;
}
