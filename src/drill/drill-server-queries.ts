/** The private server of a drill, in the one database that a connection is to: one typed function per statement. */
import { randomBytes } from 'node:crypto';
import { Connection } from '../database/connection.ts';

/**
 * The schema that amcheck is put into, whoever had it elsewhere, and the role that reads: nobody in the cluster can
 * have had either before.
 */
const ownName = `holdfast_drill_${randomBytes(8).toString('hex')}`;

export interface DrillServerAddress {
  socketDirectory: string;
  port: number;
  user: string;
}

export interface RecoveredFacts {
  version: string;
  recoveredTo: string;
  lastTransactionAt: Date | null;
  bytes: number;
}

/** What prepared transactions keep from others, which nobody will end here; all: not even reading is possible. */
type Held = 'nothing' | 'writes' | 'all';

export interface CheckedIndex {
  oid: number;
  name: string;
  /** btree, gin, … */
  method: string;
  held: Held;
}

export interface CheckedTable {
  oid: number;
  name: string;
  /** r: table, m: materialized view, t: TOAST. */
  kind: string;
  /** The statement that reads every row. */
  readAll: string;
  held: Held;
}

/** What a role or a database has set for its sessions must not load programs of its own into ours, nor run any. */
const anybodysOptions = ['-c local_preload_libraries=', '-c role=none'];

/**
 * What only a superuser may say. The configuration does not do: what is set for a role or a database beats it, until
 * forgetPlacesOfCode() has dropped that. Libraries and extensions are found where the server's own are.
 */
function superusersOptions(major: number): string[] {
  return [
    '-c session_preload_libraries=',
    '-c dynamic_library_path=$libdir',
    ...(major >= 18 ? ['-c extension_control_path=$system'] : []),
    '-c session_replication_role=replica',
    ...(major >= 17 ? ['-c event_triggers=off'] : []),
    '-c default_transaction_read_only=off',
  ];
}

export function openAsSuperuser(
  address: DrillServerAddress,
  database: string,
  major: number,
): Promise<Connection> {
  return open(address, database, [...anybodysOptions, ...superusersOptions(major)]);
}

/** As the role of makeReader(), from the login on: there is nobody more powerful to go back to. */
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

export async function recoveredFacts(db: Connection): Promise<RecoveredFacts> {
  const [row] = await db.run<RecoveredFacts>('private_server', 'facts');
  if (row === undefined) throw new Error('the server answered nothing');
  return row;
}

/**
 * From now on no session takes libraries, extensions or programs from where a role or a database of the cluster has set,
 * by whatever settings this build of PostgreSQL has for that.
 */
export async function forgetPlacesOfCode(db: Connection): Promise<void> {
  await db.run('private_server', 'drop_settings_of_places_alone');
  await db.run('private_server', 'drop_settings_of_places');
}

/** Every database from now on, template0 too; but not those whose DROP was interrupted. */
export async function admitEverywhere(db: Connection): Promise<string[]> {
  await db.run('private_server', 'admit_everywhere');
  const rows = await db.run<{ name: string }>('private_server', 'databases');
  return rows.map(({ name }) => name);
}

/** For openForReading(): it may connect everywhere; from 14 on it may read everything, before that letReadHere() says. */
export async function makeReader(db: Connection, major: number): Promise<void> {
  await db.run('private_server', 'make_reader');
  await db.run('private_server', 'reader_without_libraries');
  if (major >= 14) await db.run('private_server', 'reader_of_all_data');
  if (major >= 17) await db.run('private_server', 'reader_without_event_triggers');
  for (const { statement } of await grants(db, 'admit_reader')) await db.query(statement);
}

/** The tables of this one database; without those that a prepared transaction is changing. */
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

/** Before 17, where no setting does it: those that fire ALWAYS, or on a REPLICA, would fire in our sessions, too. */
export async function disableEventTriggers(db: Connection): Promise<void> {
  await db.run('private_server', 'disable_event_triggers');
}

export async function writeCheckpoint(db: Connection): Promise<void> {
  await db.run('private_server', 'checkpoint');
}

/** Makes amcheck callable; false: these programs came without it. */
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

export function indexesHere(db: Connection): Promise<CheckedIndex[]> {
  return db.run<CheckedIndex>('private_server', 'indexes');
}

export function tablesHere(db: Connection): Promise<CheckedTable[]> {
  return db.run<CheckedTable>('private_server', 'tables');
}

/**
 * With every row of its table, and from parents to children; without these where somebody might write, as that takes a
 * lock against it. @throws what is wrong with it
 */
export async function checkBtree(db: Connection, { oid, held }: CheckedIndex, major: number): Promise<void> {
  const thorough = major >= 17 ? 'check_unique_btree' : 'check_btree';
  await db.run('private_server', held === 'nothing' ? thorough : 'check_btree_at_work', { index: oid });
}

/** From 18 on. @throws what is wrong with it */
export async function checkGin(db: Connection, { oid }: CheckedIndex): Promise<void> {
  await db.run('private_server', 'check_gin', { index: oid });
}

/** From 14 on: what is wrong with a table's rows, with their TOAST. */
export async function checkHeap(db: Connection, { oid }: CheckedTable): Promise<string[]> {
  const rows = await db.run<{ problem: string }>('private_server', 'check_heap', { table: oid });
  return rows.map(({ problem }) => problem);
}
