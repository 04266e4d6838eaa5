// What is said where there is no connection: libpq's variables may hold what pg and the server take for a name.
import test from 'ava';
import { createCluster } from '../../dev/embedded/cluster.ts';
import { Connection } from '../../src/database/connection.ts';
import { HoldfastError } from '../../src/errors.ts';
import { sharedCluster } from '../support/cluster.ts';
import { holdfast } from '../support/process.ts';
import { withClient } from '../support/sql-client.ts';

const secret = /hunter2|and more/;

test.serial('neither we nor the server show a password in a variable of libpq', async (t) => {
  const { hostname, port } = new URL((await sharedCluster()).url());
  const server = { PGHOST: hostname, PGPORT: port, PGUSER: 'postgres', PGDATABASE: 'postgres' };
  for (const wrong of [
    { PGDATABASE: 'postgres://user:hunter2@host/db' },
    { PGDATABASE: `postgres://user:hunter2@host/${'d'.repeat(80)}` },
    { PGDATABASE: 'host=h password=hunter2 and more' },
    { PGUSER: 'user:hunter2' },
    { PGHOST: 'postgres://user:hunter2 and more@host/db' },
    { PGHOST: 'user:hunter2@host' },
  ]) {
    Object.assign(process.env, server, wrong);
    const error = await t.throwsAsync(Connection.open({}), { instanceOf: HoldfastError });
    t.regex(error.message, /^cannot connect to PostgreSQL at .*…/);
    t.notRegex(error.message, secret);
  }
});

for (const [url, said] of [
  ['postgres://user%3Ahunter2@127.0.0.1:1/db', /user "…": connect ECONNREFUSED/],
  ['postgres://user:hunter2@127.0.0.1:1/db', /database "db", user "user": connect ECONNREFUSED/],
  ['postgres://user:hunter2@127.0.0.1:1/db?sslrootcert=/no/where', /^cannot connect to PostgreSQL: ENOENT/],
] as const) {
  test(`no password of a URL that leads nowhere is shown: ${url}`, async (t) => {
    const error = await t.throwsAsync(Connection.open({ url }), { instanceOf: HoldfastError });
    t.is(error.code, 'connection_failed');
    t.regex(String(error.hint), /^check that the server runs there /);
    t.regex(error.message, said);
    t.notRegex(error.message, secret);
  });
}

test('a server that answers and does not let in is not said to be away', async (t) => {
  const cluster = await sharedCluster();
  for (const [part, wrong, hint] of [
    ['pathname', '/no_such_database', /^list the databases with psql --list; or give another database /],
    ['username', 'no_such_role', /^check that the role exists .* give another user with --database-url/],
  ] as const) {
    const url = new URL(cluster.url());
    url[part] = wrong;
    const error = await t.throwsAsync(Connection.open({ url: url.href }), { instanceOf: HoldfastError });
    t.is(error.code, 'connection_failed');
    t.regex(String(error.hint), hint, error.message);
  }
});

test('a password that is asked for, and that nobody has given, is called that', async (t) => {
  const cluster = await createCluster({
    hba: ['host all postgres 127.0.0.1/32 trust', 'host all all 127.0.0.1/32 scram-sha-256'],
  });
  t.teardown(() => cluster.remove());
  await cluster.start();
  await withClient(cluster.url(), (client) => client.query('create role agent login'));
  const url = new URL(cluster.url());
  url.username = 'agent';
  const error = await t.throwsAsync(Connection.open({ url: url.href }), { instanceOf: HoldfastError });
  t.regex(error.message, /user "agent": the server asks for a password, and none is given$/);
  t.regex(String(error.hint), /^put the password into ~\/\.pgpass /);
});

for (const args of [
  ['postgres://user:hunter2 and more/db', 'status'],
  ['status', '--json', '--databse-url=postgres://user:hunter2 and more/db'],
  ['check', '--max-age', 'host=h password=hunter2 and more'],
]) {
  test(`an argument in the wrong place is not shown with its password: ${args.join(' ')}`, async (t) => {
    const { status, stdout, stderr } = await holdfast(args);
    t.is(status, args[0] === 'check' ? 3 : 2);
    t.regex(stdout + stderr, /…/);
    t.notRegex(stdout + stderr, secret);
  });
}
