import test, { type ExecutionContext } from 'ava';
import { eventually } from '../support/eventually.ts';
import { runProcess } from '../../dev/harness/children.ts';
import {
  asRole,
  installedDatabase,
  type HoldfastRole,
  type InstalledDatabase,
} from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { connect, openClient, type Row, type SqlClient } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { blocks, pages, statements } from './pages.ts';

for (const page of pages.filter((name) =>
  blocks(name).some(({ mark }) => /^(runs( as| since|$)|session)/.test(mark)),
)) {
  test(`the statements of ${page} run as they stand`, async (t) => {
    const db = await installedDatabase(t);
    await startWorkerProcess(t, { url: db.url });
    const who = clients(t, db);
    for (const { mark, text } of blocks(page)) {
      const [, role = 'superuser', state, since = '0'] =
        /^runs(?: as (\w+))?(?: until (\w+))?(?: since (\d+))?$/.exec(mark) ?? [];
      if (db.cluster.version < Number(since)) continue;
      dropRolesLater(t, db, text);
      if (mark === 'session copy' && db.cluster.dataDirectory === undefined) continue;
      if (mark.startsWith('session')) await replay(t, await who('superuser'), db, text);
      else if (mark.startsWith('runs')) await runBlock(await who(role), text, state);
    }
    t.pass();
  });
}

/** One connection per role and page. */
function clients(t: ExecutionContext, db: InstalledDatabase) {
  const open = new Map<string, Promise<SqlClient>>();
  return (role: string): Promise<SqlClient> => {
    const known = open.get(role);
    if (known) return known;
    const opening = role === 'superuser' ? connect(t, db.url) : asRole(t, db, role as HoldfastRole);
    open.set(role, opening);
    return opening;
  };
}

/** Roles belong to the whole server, which other tests use as well. */
function dropRolesLater(t: ExecutionContext, db: InstalledDatabase, text: string): void {
  for (const [, role = ''] of text.matchAll(/^create role (\w+)/gim)) {
    t.teardown(async () => {
      const client = await openClient(db.url);
      await client.query(`drop owned by ${role}; drop role ${role}`);
      await client.close();
    });
  }
}

async function runBlock(client: SqlClient, text: string, state: string | undefined): Promise<void> {
  for (const statement of statements(text)) {
    if (state === undefined) await client.query(statement);
    else await untilState(client, statement, state);
  }
}

/** psql's own look: a statement behind each prompt, its rows below. What is shown is waited for. */
async function replay(
  t: ExecutionContext,
  client: SqlClient,
  db: InstalledDatabase,
  text: string,
): Promise<void> {
  for (const [, typed = '', shown = ''] of text.matchAll(
    /^postgres=> (.*)\n?([^]*?)(?=^postgres=> |(?![^]))/gm,
  )) {
    if (typed.startsWith('\\!')) {
      await runCommand(t, db, typed.slice(2).trim());
      continue;
    }
    const [head = '', , first = ''] = shown.split('\n');
    const columns = head.split('|').map((name) => name.trim());
    const values = first.split('|').map((value) => value.trim());
    const state = columns[0] === 'state' ? values[0] : undefined;
    const rows = await untilState(client, typed.replace(/;$/, ''), state);
    t.deepEqual(rows.flatMap(Object.keys), head === '' ? [] : columns, typed);
    if (columns[0] === 'id') t.is(String(rows[0]?.['id']), values[0] ?? '', typed);
  }
}

function untilState(client: SqlClient, statement: string, state: string | undefined): Promise<Row[]> {
  return eventually(`${statement} says ${state}`, async () => {
    const rows = await client.query(statement);
    return state === undefined || rows[0]?.['state'] === state ? rows : undefined;
  });
}

/** The very command, on this server's files; tar may find that a file changed. */
async function runCommand(t: ExecutionContext, db: InstalledDatabase, command: string): Promise<void> {
  const { dataDirectory } = db.cluster;
  if (dataDirectory === undefined) return;
  const directory = await temporaryDirectory(t);
  const here = command
    .replaceAll('/backup/', `${directory}/`)
    .replaceAll('/var/lib/postgresql/18/main', dataDirectory);
  const { status, stderr } = await runProcess('/bin/sh', ['-c', here]);
  t.true(status === 0 || status === 1, stderr);
}
