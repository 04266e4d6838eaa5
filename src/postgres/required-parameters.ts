/**
 * The settings of the primary that a standby needs at least as much of (the PostgreSQL manual, "Hot Standby":
 * Administrator's Overview). pg_control has them, and a record of WAL where they change, in the same order.
 */
export const requiredParameters = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
] as const;

export type RequiredParameters = Record<(typeof requiredParameters)[number], number>;

/** src/include/catalog/pg_control.h: ControlFileData; src/include/access/xlog_internal.h: xl_parameter_change. */
export function readRequiredParameters(bytes: Buffer, at: number): RequiredParameters {
  const read = requiredParameters.map((name, index) => [name, bytes.readInt32LE(at + 4 * index)] as const);
  return Object.fromEntries(read) as RequiredParameters;
}

/** The greater of each. */
export function greaterParameters(one: RequiredParameters, other: RequiredParameters): RequiredParameters {
  const greater = requiredParameters.map((name) => [name, Math.max(one[name], other[name])] as const);
  return Object.fromEntries(greater) as RequiredParameters;
}
