import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { freshDatabase } from '../../support/cluster.ts';
import { asRole, installedDatabase } from '../../support/installed-database.ts';
import { holdfast } from '../../support/process.ts';
import { connect } from '../../support/sql-client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('install says what it has applied, and the second time that nothing was to do', async (t) => {
  const { url } = await freshDatabase(t);
  const first = await holdfast(['install'], { url });
  t.is(first.status, 0, first.stderr);
  t.regex(first.stdout, /^schema "holdfast" is installed in version \d+:\n {2}roles\n/);

  const second = await holdfast(['install', '--json'], { url });
  t.like(JSON.parse(second.stdout), { schema: 'holdfast', applied: [] });
  const third = await holdfast(['install'], { url });
  t.regex(
    third.stdout,
    /^schema "holdfast" has version \d+ already; its functions and views are those of this release\n(the queue of chores is in schema "holdfast_boss"|chores do not run here: .*)\n$/,
  );
});

test('another schema is installed beside it, and found by its name', async (t) => {
  const { url, name } = await freshDatabase(t);
  const schema = `Odd ${name}`;
  t.is((await holdfast(['install', '--schema', schema], { url })).status, 0);
  const client = await connect(t, url);
  t.teardown(async () => {
    // Roles outlive the database.
    for (const role of ['worker', 'operator', 'requester', 'reader']) {
      await client.query(`drop owned by "${schema}_${role}" cascade; drop role "${schema}_${role}"`);
    }
  });
  t.is((await holdfast(['status'], { url, env: { HOLDFAST_SCHEMA: schema } })).status, 0);
});

test('install makes the repository of each cluster that has none, and warns where it cannot', async (t) => {
  const { url } = await freshDatabase(t);
  const place = await temporaryDirectory(t);
  const [repository, file] = [join(place, 'repository'), join(place, 'a-file')];
  await writeFile(file, '');
  const install = (to: string, env = {}) => holdfast(['install', '--json', '--repository', to], { url, env });
  const made = async (...run: Parameters<typeof install>) => {
    const { status, stdout, stderr } = await install(...run);
    t.is(status, 0, stderr);
    return { stderr, repositories: (JSON.parse(stdout) as { repositories: string[] }).repositories };
  };
  t.deepEqual((await made(repository)).repositories, [join(repository, 'main')]);
  t.true(existsSync(join(repository, 'main', 'owner.json')));
  t.deepEqual((await made(repository)).repositories, []);
  const unmade = await made(file);
  t.deepEqual(unmade.repositories, []);
  t.regex(unmade.stderr, /^holdfast: warning: .*a-file.*\n {2}hint: [a-z]/);
  const named = await holdfast(['install'], { url, env: { HOLDFAST_REPOSITORY: join(place, 'other') } });
  t.true(named.stdout.endsWith(`"${join(place, 'other', 'main')}" is a repository now\n`), named.stdout);
});

test('where it is not installed every command says so', async (t) => {
  const { url } = await freshDatabase(t);
  for (const args of [['status'], ['start', 'x'], ['stop', 'x'], ['cancel', '1']]) {
    const { status, stderr } = await holdfast(args, { url });
    t.is(status, 2);
    t.regex(
      stderr,
      /^holdfast: Holdfast is not installed in schema "holdfast" of this database\n {2}hint: run "holdfast install"/,
    );
  }
});

test('a login without a role of Holdfast is told which one it needs', async (t) => {
  const db = await installedDatabase(t);
  const nobody = await asRole(t, db);
  const reader = await asRole(t, db, 'reader');
  for (const [args, url] of [
    [['status'], nobody.url],
    [['start', 'x'], reader.url],
    [['worker'], reader.url],
  ] as const) {
    const { status, stderr } = await holdfast([...args], { url });
    t.is(status, 1);
    const role = args[0] === 'worker' ? 'worker' : 'reader';
    t.regex(
      stderr,
      /^holdfast: permission denied .*\n {2}hint: grant this login, as a superuser, "holdfast_/,
    );
    t.true(stderr.includes(`"holdfast_${role}"`), stderr);
  }
  const adopt = await holdfast(['adopt', '--yes'], { url: reader.url });
  t.deepEqual([adopt.status, adopt.stdout], [1, '']);
  t.regex(
    adopt.stderr,
    /^holdfast: login "reader_\w+" may not adopt .*\n {2}hint: type as a superuser: GRANT "?holdfast_operator"? TO "?reader_\w+"?$/m,
  );
  for (const [args, hint] of [
    [
      ['expire'],
      /hint: grant this login, as a superuser, "holdfast_worker" \(or only look, with --dry-run\)$/m,
    ],
    [['install'], /hint: install as the owner of schema "holdfast"; .* as a superuser \(--database-url /],
  ] as const) {
    const { status, stderr } = await holdfast([...args], { url: nobody.url });
    t.is(status, 1);
    t.regex(stderr, hint);
  }
});
