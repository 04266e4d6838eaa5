/** Finds the settings of a server that are smaller than replay needs. Pure. */
import { requiredParameters, type RequiredParameters } from '../postgres/required-parameters.ts';

/** Defaults of PostgreSQL 12 to 19. */
const defaults: RequiredParameters = {
  max_connections: 100,
  max_worker_processes: 8,
  max_wal_senders: 10,
  max_prepared_transactions: 0,
  max_locks_per_transaction: 64,
};

/** Settings that replay itself uses. The other settings matter to hot standby only. */
const forReplay: readonly string[] = ['max_prepared_transactions', 'max_locks_per_transaction'];

/**
 * Returns the settings that are too small, with the values that replay needs. `configured`: the value in the server's
 * configuration; undefined if the value is not set or not known. `isSeen`: whether the server is a hot standby meanwhile.
 */
export function shortSettings(
  required: RequiredParameters,
  configured: (name: string) => string | undefined,
  isSeen: boolean,
): [keyof RequiredParameters, string][] {
  return requiredParameters
    .filter((name) => isSeen || forReplay.includes(name))
    .filter((name) => !(Number(configured(name) ?? defaults[name]) >= required[name]))
    .map((name) => [name, String(required[name])]);
}
