// What a drill says of a backup that cannot be restored, or of a host that cannot try: loudly, until one succeeds.
import { chmod, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { readFrameIndex } from '../../src/repository/frame-index.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { drills, problemsOf, type DrillResult } from '../support/drills.ts';
import { holdfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { onBehalfOf, repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { shared } from '../support/shared.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;

/** With a backup that is made once: who changes files of it puts them back. */
const sharedScene = shared(import.meta.url, async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table kept as select generate_series(1, 3) n');
  return { ...scene, backedUp: await scene.backup() };
});

async function monitored(scene: RepositoryScene): Promise<{ status: number | null; stdout: string }> {
  return holdfast(['check'], { url: scene.workerLogin.url });
}

function failure(t: ExecutionContext, { status, result }: { status: number | null; result: DrillResult }) {
  t.is(status, 1);
  t.false(result.ok);
  return result.error ?? { code: '', message: '' };
}

test('a damaged backup fails its drill, which names the file, and check is critical until one succeeds', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const { directory, meta } = scene.backedUp;
  const drill = await drills(t, scene);
  const before = await lastDrill(scene);
  const base = join(directory, 'base.tar.zst');
  const sound = await readFile(base);
  const frames = readFrameIndex(await readFile(join(meta, 'frames.jsonl'), 'utf8'));
  const damaged = Buffer.from(sound);
  const at = Number(frames[Math.floor(frames.length / 2)]?.offset) + 100;
  damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
  await writeFile(base, damaged);
  const listener = await connect(t, scene.db.url);
  await listener.query('listen holdfast_state');

  const { code, message } = failure(t, await drill.run());
  t.is(code, 'backup_damaged');
  t.regex(message, /base\.tar\.zst, the frame at \d+/);
  t.deepEqual(await drill.left(), []);
  const said = await monitored(scene);
  t.is(said.status, 2);
  const critical = `^HOLDFAST CRITICAL - cluster main: drill ${before + 1} of \\S+ failed .*base\\.tar\\.zst`;
  t.regex(said.stdout, new RegExp(critical));
  const { payload } = await listener.notification((text) => text.includes('"drill"'));
  t.like(JSON.parse(payload), { kind: 'drill', drill: before + 1, id: 1, cluster: 'main', ok: false });
  const [event] = await scene.admin.query(
    `select detail from holdfast.backup_event where request_id = 1 and detail->>'drill' = '${before + 1}'`,
  );
  t.like(event?.['detail'], { ok: false, error_code: 'backup_damaged' });

  await writeFile(base, sound);
  t.is((await drill.run()).status, 0);
  const { status, stdout } = await monitored(scene);
  t.is(status, 0, stdout);
  t.regex(stdout, new RegExp(`was proven restorable .* \\(drill ${before + 2}\\)`));
});

/** The number of the last drill so far. */
async function lastDrill({ admin }: RepositoryScene): Promise<number> {
  return admin.value('select coalesce(max(id), 0)::int from holdfast.backup_drill');
}

test('a hole in the WAL, or none of what the backup itself needs, fails a drill before anything is restored', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const { description, directory } = scene.backedUp;
  const before = await lastDrill(scene);
  await scene.admin.query('create table later (n int)');
  await scene.archiveAll();
  await scene.admin.query('insert into later values (1)');
  await scene.archiveAll();
  const drill = await drills(t, scene);

  const following = segmentAfter(description.stopWal);
  await rename(archivedPath(scene.directory, following), `${directory}.hidden`);
  const hole = failure(t, await drill.run());
  t.is(hole.code, 'wal_missing');
  t.true(hole.message.includes(following), hole.message);
  t.is((await drill.run('--target-immediate')).status, 0);
  await rename(`${directory}.hidden`, archivedPath(scene.directory, following));

  const damaged = archivedPath(scene.directory, following);
  const sound = await readFile(damaged);
  await writeFile(damaged, sound.subarray(0, sound.length - 100));
  const broken = failure(t, await drill.run());
  t.is(broken.code, 'archive_damaged');
  t.true(broken.message.includes(following), broken.message);
  await writeFile(damaged, sound);
  t.is((await drill.run()).status, 0);
  t.deepEqual(await drill.left(), []);
  t.deepEqual(
    await scene.admin.query(
      'select ok, error_code, target from holdfast.backup_drill where id > $1 order by id',
      [before],
    ),
    [
      { ok: false, error_code: 'wal_missing', target: 'latest' },
      { ok: true, error_code: null, target: 'immediate' },
      { ok: false, error_code: 'archive_damaged', target: 'latest' },
      { ok: true, error_code: null, target: 'latest' },
    ],
  );
});

function segmentAfter(name: string): string {
  const number = Number.parseInt(name.slice(16), 16) + 1;
  return name.slice(0, 16) + number.toString(16).toUpperCase().padStart(8, '0');
}

test('without programs, or with those of another version, a drill fails and says which it needs', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene);
  const programs = await temporaryDirectory(t);
  const none = failure(t, await drill.run('--pg-bin', programs));
  t.is(none.code, 'no_server_programs');
  await writeFile(join(programs, 'postgres'), '#!/bin/sh\necho "postgres (PostgreSQL) 9.6.24"\n');
  await chmod(join(programs, 'postgres'), 0o755);
  await chmod(programs, 0o755);
  const other = failure(t, await drill.run('--pg-bin', programs));
  t.is(other.code, 'other_version');
  t.regex(other.message, /has PostgreSQL 9, and the backup is of PostgreSQL 1\d/);
  // It says that it is the right one, and does not start.
  const version = scene.cluster.version;
  await writeFile(
    join(programs, 'postgres'),
    `#!/bin/sh\ncase $1 in --version) echo "postgres (PostgreSQL) ${version}.1" ;; *) echo "FATAL:  broken" >&2; exit 1 ;; esac\n`,
  );
  const broken = failure(t, await drill.run('--pg-bin', programs));
  t.is(broken.code, 'recovery_failed');
  t.regex(broken.message, /cannot complete the recovery: broken/);
  t.deepEqual(await drill.left(), []);
  const unnamed = await holdfast(['drill', '--repository', scene.repository], { url: scene.workerLogin.url });
  t.is(unnamed.status, 2);
  t.regex(unnamed.stderr, /cluster "main" has no directory for drills\n {2}hint: set drill_directory/);
});

testWhen(noRestore ?? noSmallDisk)(
  'a drill that has no room says so before it writes anything',
  async (t) => {
    const scene = onBehalfOf(t, await sharedScene());
    const drill = await drills(t, scene);
    const disk = await smallDisk(t, '2m');
    const { code, message } = failure(t, await drill.run('--directory', disk.directory));
    t.is(code, 'no_room');
    t.regex(message, /it may take \d+\.\d MB, and [12]\.\d MB are free/);
    const nowhere = await drill.run('--directory', join(disk.directory, 'nowhere'));
    t.is(failure(t, nowhere).code, 'drill_directory_unusable');
    t.regex(String(failure(t, nowhere).hint), /^make it as root, .*: install -d -m 700 -o USER \//);
  },
);

test('assertions that are false, fail, hang or make no sense fail a drill, each by its name', async (t) => {
  const scene = onBehalfOf(t, await sharedScene());
  const drill = await drills(t, scene, { HOLDFAST_CLUSTER_MAIN_DRILL_ASSERTION_TIMEOUT: '1s' });
  const file = join(await temporaryDirectory(t), 'assertions.sql');
  const { name } = scene.db;
  const assertions: [string, string][] = [
    ['three rows', 'select count(*) = 3 from kept;'],
    ['four rows', 'select count(*) = 4 from kept'],
    ['a null', 'select null::boolean'],
    ['no row', 'select true where false'],
    ['it raises', 'select 1 / 0 = 1'],
    ['it hangs', 'select pg_sleep(1000) is null'],
    ['it hangs without a time-out', 'set statement_timeout = 0; select pg_sleep(1000) is null'],
    ['two statements', 'select true; select true'],
  ];
  const text = assertions.map(([title, sql]) => `-- name: ${title}\n-- database: ${name}\n${sql}\n`);
  await writeFile(
    file,
    `-- What has to hold.\n${text.join('\n')}-- name: elsewhere\n-- database: nowhere\nselect true`,
  );

  const drilled = await drill.run('--assertions', file, '--target-immediate');
  const { code, message } = failure(t, drilled);
  t.is(code, 'assertion_failed');
  t.regex(
    message,
    new RegExp(
      `assertion: four rows in database ${name}: it returned false instead of true, and 7 problems more`,
    ),
  );
  const said = Object.fromEntries(
    drilled.result.checks
      .filter(({ check }) => check.startsWith('assertion: '))
      .map(({ check, problems }) => [check.slice(11), problems.join()]),
  );
  t.deepEqual(Object.keys(said), [...assertions.map(([title]) => title), 'elsewhere']);
  t.is(said['three rows'], '');
  t.is(said['a null'], 'it returned null instead of true');
  t.is(said['no row'], 'it returned 0 rows instead of one');
  t.is(said['it raises'], 'it failed: division by zero');
  t.is(said['it hangs'], 'it had no answer after 1 s');
  t.regex(String(said['it hangs without a time-out']), /did not answer within 6000 ms/);
  t.is(said['two statements'], 'it is more than one statement');
  t.regex(String(said['elsewhere']), /database "nowhere" does not exist/);
  t.deepEqual(await drill.left(), []);

  await writeFile(file, 'select true');
  const { status, stderr } = await holdfast(
    ['drill', '--repository', scene.repository, '--directory', drill.directory, '--assertions', file],
    { url: scene.workerLogin.url },
  );
  t.is(status, 2);
  t.regex(stderr, /the assertions in ".*" cannot be used: what comes before the first name belongs to none/);
});

test('a page that was damaged before the backup fails its drill, wherever in the cluster it is', async (t) => {
  // Autovacuum would write these pages again.
  const scene = await repositoryScene(t, { initdb: ['--data-checksums'], settings: { autovacuum: 'off' } });
  await scene.admin.query('create table kept as select g n, md5(g::text) t from generate_series(1, 5000) g');
  await scene.admin.query('create index by_hash on kept using hash (n)');
  await scene.admin.query('checkpoint');
  await damagePage(scene, 'kept', 3);
  await damagePage(scene, 'by_hash', 5);
  await scene.backup();
  const drill = await drills(t, scene);
  const drilled = await drill.run('--target-immediate');
  t.is(failure(t, drilled).code, 'recovered_data_damaged');
  t.regex(
    problemsOf(drilled.result, 'amcheck').join(),
    /table public\.kept: invalid page in block 3 of relation/,
  );
  const pages = problemsOf(drilled.result, 'checksums');
  t.is(pages.length, 2);
  t.regex(pages.join(), /block 3: .*block 5: |block 5: .*block 3: /);
});

/** Changes a byte on the disk, in the middle of a page's data; replay has no reason to touch it. */
async function damagePage(
  { admin, cluster }: RepositoryScene,
  relation: string,
  block: number,
): Promise<void> {
  const path = await admin.value<string>(`select pg_relation_filepath('${relation}')`);
  const file = await open(join(String(cluster.dataDirectory), path), 'r+');
  const byte = Buffer.alloc(1);
  const at = block * 8192 + 8100;
  await file.read(byte, 0, 1, at);
  byte.writeUInt8(byte.readUInt8(0) ^ 0xff);
  await file.write(byte, 0, 1, at);
  await file.close();
}
