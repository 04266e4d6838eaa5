/**
 * The settings of a lasting session, by server version. No setting of the server may end the session while the
 * session is idle or slow, and each side notices within half a minute that the other side is gone. (PostgreSQL
 * manual, "Client Connection Defaults" and "Connection Settings".)
 */

const everyVersion = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '25000',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  // Other roles may be able to create functions in the schemas of this role's search_path.
  search_path: 'pg_catalog',
};
const since14 = { idle_session_timeout: '0', client_connection_check_interval: '1000' };
const since17 = { transaction_timeout: '0' };

/** The settings for a server version, as in server_version_num. */
export function settingsFor(serverVersion: number): Record<string, string> {
  return {
    ...everyVersion,
    ...(serverVersion >= 140000 ? since14 : {}),
    ...(serverVersion >= 170000 ? since17 : {}),
  };
}

/** The settings as SET statements. */
export function sessionSettings(serverVersion: number): string {
  return Object.entries(settingsFor(serverVersion))
    .map(([name, value]) => `set ${name} = '${value}'`)
    .join('; ');
}
