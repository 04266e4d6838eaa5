/**
 * The statements for the private server of a drill, with one typed function per statement. Most statements
 * concern the database of the connection only.
 */
import { randomBytes } from 'node:crypto';
import { Connection } from '../database/connection.ts';

/**
 * The name of the schema for amcheck and of the role that reads. The random name cannot exist in the cluster,
 * even if amcheck is installed in another schema.
 */
const ownName = `holdfast_drill_${randomBytes(8).toString('hex')}`;

/** The address of the private server, and the role for superuser connections. */
export interface DrillServerAddress {
  socketDirectory: string;
  port: number;
  user: string;
}

/** Facts about the recovered server. */
export interface RecoveredFacts {
  version: string;
  /** LSN at which recovery ended. */
  recoveredTo: string;
  /** The time of the last replayed commit or abort; null if there was none. */
  lastTransactionAt: Date | null;
  /** Total size of the databases. */
  bytes: number;
}

/**
 * The access that locks of prepared transactions deny to other sessions. A drill does not end prepared
 * transactions. `all`: not even reading is possible.
 */
type Held = 'nothing' | 'writes' | 'all';

/** An index of the current database. */
export interface CheckedIndex {
  oid: number;
  name: string;
  /** The access method: btree, gin, … */
  method: string;
  held: Held;
}

/** A table of the current database. */
export interface CheckedTable {
  oid: number;
  name: string;
  /** pg_class.relkind. r: table, m: materialized view, t: TOAST table. */
  kind: string;
  /** The statement that reads every row. */
  readAll: string;
  held: Held;
}

/**
 * Options for all connections. Settings of roles and databases in the cluster must not load libraries into a
 * session or change the role.
 */
const anybodysOptions = ['-c local_preload_libraries=', '-c role=none'];

/**
 * Options for superuser connections. A configuration file cannot set these options, because settings of a
 * role or a database take precedence until forgetPlacesOfCode() has removed such settings. Libraries and
 * extensions come from the server's own directories.
 */
function superusersOptions(major: number): string[] {
  return [
    '-c session_preload_libraries=',
    '-c dynamic_library_path=$libdir',
    ...(major >= 18 ? ['-c extension_control_path=$system'] : []),
    '-c session_replication_role=replica',
    ...(major >= 17 ? ['-c event_triggers=off'] : []),
    '-c default_transaction_read_only=off',
    // Damage is an error, even if somebody once told the cluster to pass over damage.
    '-c zero_damaged_pages=off',
    '-c ignore_checksum_failure=off',
  ];
}

/** Connects to a database as a superuser. */
export function openAsSuperuser(
  address: DrillServerAddress,
  database: string,
  major: number,
): Promise<Connection> {
  return open(address, database, [...anybodysOptions, ...superusersOptions(major)]);
}

/**
 * Connects as the role of makeReader(). The session user is that role, too, so that RESET ROLE gains no
 * privileges.
 */
export function openForReading(address: DrillServerAddress, database: string): Promise<Connection> {
  return open({ ...address, user: ownName }, database, anybodysOptions);
}

function open(
  { socketDirectory, port, user }: DrillServerAddress,
  database: string,
  options: readonly string[],
): Promise<Connection> {
  const query = new URLSearchParams({
    host: socketDirectory,
    port: String(port),
    // PGSSLMODE and PGSSLNEGOTIATION are for the control database. The private server has no TLS, and libpq uses none on a
    // socket.
    sslmode: 'disable',
    sslnegotiation: 'postgres',
    options: options.join(' '),
  });
  return Connection.open({
    url: `postgres://${encodeURIComponent(user)}@/${encodeURIComponent(database)}?${query.toString().replaceAll('+', '%20')}`,
    applicationName: 'holdfast drill',
    schema: ownName,
    connectTimeout: 60_000,
    lasting: true,
  });
}

/** Reads facts about the recovered server. */
export async function recoveredFacts(db: Connection): Promise<RecoveredFacts> {
  const [row] = await db.run<RecoveredFacts>('private_server', 'facts');
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/**
 * Removes all settings of roles and databases that name places of libraries, extensions or programs. The
 * statement finds the settings that this build of PostgreSQL has.
 */
export async function forgetPlacesOfCode(db: Connection): Promise<void> {
  await db.run('private_server', 'drop_settings_of_places_alone');
  await db.run('private_server', 'drop_settings_of_places');
}

/**
 * Allows connections to every database, including template0, and returns the names of the databases.
 * Databases whose DROP DATABASE was interrupted are left out.
 */
export async function admitEverywhere(db: Connection): Promise<string[]> {
  await db.run('private_server', 'admit_everywhere');
  const rows = await db.run<{ name: string }>('private_server', 'databases');
  return rows.map(({ name }) => name);
}

/**
 * Creates the role for openForReading(), and allows the role to connect to every database. From PostgreSQL 14
 * on, the role can read everything; before 14, letReadHere() grants the privileges.
 */
export async function makeReader(db: Connection, major: number): Promise<void> {
  await db.run('private_server', 'make_reader');
  await db.run('private_server', 'reader_without_libraries');
  await db.run('private_server', 'reader_notices_invalid_pages');
  await db.run('private_server', 'reader_notices_wrong_checksums');
  if (major >= 14) await db.run('private_server', 'reader_of_all_data');
  if (major >= 17) await db.run('private_server', 'reader_without_event_triggers');
  for (const { statement } of await grants(db, 'admit_reader')) await db.query(statement);
}

/**
 * Grants the privileges to read the tables of the current database. Tables that a prepared transaction is
 * changing are left out.
 */
export async function letReadHere(db: Connection): Promise<void> {
  await db.query(`set lock_timeout = '5s'`);
  for (const { statement } of await grants(db, 'let_read_here'))
    await db.query(statement).catch((error: unknown) => {
      if (db.isLost) throw error;
    });
  await db.query('set lock_timeout = 0');
}

function grants(db: Connection, name: string): Promise<{ statement: string }[]> {
  return db.run<{ statement: string }>('private_server', name);
}

/**
 * Disables the event triggers before PostgreSQL 17, which has a setting for that. Triggers that fire ALWAYS
 * or in REPLICA mode would fire in the sessions of a drill.
 */
export async function disableEventTriggers(db: Connection): Promise<void> {
  await db.run('private_server', 'disable_event_triggers');
}

/** Runs CHECKPOINT. */
export async function writeCheckpoint(db: Connection): Promise<void> {
  await db.run('private_server', 'checkpoint');
}

/** Makes amcheck callable. Returns false if the extension is not installed on this host. */
export async function installAmcheck(db: Connection): Promise<boolean> {
  const [row] = await db.run<{ installed: string | null; available: string | null }>(
    'private_server',
    'amcheck',
  );
  if (row === undefined || row.available === null) return false;
  await db.run('private_server', 'make_schema');
  if (row.installed === null) await db.run('private_server', 'create_amcheck');
  else {
    await db.run('private_server', 'update_amcheck');
    await db.run('private_server', 'move_amcheck');
  }
  return true;
}

/** The indexes of the current database. */
export function indexesHere(db: Connection): Promise<CheckedIndex[]> {
  return db.run<CheckedIndex>('private_server', 'indexes');
}

/** The tables of the current database. */
export function tablesHere(db: Connection): Promise<CheckedTable[]> {
  return db.run<CheckedTable>('private_server', 'tables');
}

/**
 * Checks a B-tree from parent to child pages and against all rows of its table. If a prepared transaction may
 * write to the table, the check is weaker, because the strong check needs a conflicting lock.
 * @throws the problem that amcheck reports
 */
export async function checkBtree(db: Connection, { oid, held }: CheckedIndex, major: number): Promise<void> {
  const thorough = major >= 17 ? 'check_unique_btree' : 'check_btree';
  await db.run('private_server', held === 'nothing' ? thorough : 'check_btree_at_work', { index: oid });
}

/**
 * Checks a GIN index; from PostgreSQL 18 on.
 * @throws the problem that amcheck reports
 */
export async function checkGin(db: Connection, { oid }: CheckedIndex): Promise<void> {
  await db.run('private_server', 'check_gin', { index: oid });
}

/** The problems in the rows of a table, including TOAST values; from PostgreSQL 14 on. */
export async function checkHeap(db: Connection, { oid }: CheckedTable): Promise<string[]> {
  const rows = await db.run<{ problem: string }>('private_server', 'check_heap', { table: oid });
  return rows.map(({ problem }) => problem);
}
