// PostgreSQL's own pg_verifybackup on what was extracted: every file, its size, its checksum, and the manifest itself.
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, truncate } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import type { Major } from '../../dev/embedded/binaries.ts';
import { copyScene, extracted, noCopies } from '../support/copies.ts';
import { testWhen } from '../support/test-when.ts';

interface Case {
  version: Major;
  tool: number;
  arguments: string[];
}

/** As docs/postgres-tools.md has it. A tool cannot read the WAL of another major than its own. */
const cases: Case[] = [
  { version: 12, tool: 15, arguments: ['-n'] },
  { version: 13, tool: 15, arguments: ['-n'] },
  { version: 14, tool: 15, arguments: ['-n'] },
  { version: 15, tool: 15, arguments: [] },
  { version: 16, tool: 15, arguments: ['-n'] },
  { version: 16, tool: 17, arguments: ['-n'] },
  { version: 12, tool: 18, arguments: ['-n'] },
  { version: 12, tool: 19, arguments: ['-n'] },
  { version: 17, tool: 17, arguments: [] },
  { version: 18, tool: 18, arguments: [] },
  { version: 19, tool: 19, arguments: [] },
];

function verify(tool: number, args: string[]) {
  const bin = String(toolsOf(tool, 'pg_verifybackup'));
  const env = { ...process.env, PATH: [bin, process.env['PATH']].join(delimiter) };
  return spawnSync(join(bin, 'pg_verifybackup'), args, { encoding: 'utf8', env });
}

for (const { version, tool, arguments: more } of cases) {
  const test = testWhen(noCopies, noTool(tool, 'pg_verifybackup')).serial;
  const how = [`pg_verifybackup ${tool}`, ...more].join(' ');

  test(`${how} accepts a copy of ${version}, and finds what is missing in one`, async (t) => {
    const scene = await copyScene(t, { version, initdb: ['--data-checksums'] });
    await scene.admin.query('create table kept as select n, md5(n::text) from generate_series(1, 10000) n');
    await scene.admin.query('create unlogged table fleeting as select generate_series(1, 1000) n');
    await scene.startCopier();
    const backup = await scene.copy();
    t.deepEqual(backup.row.warnings, []);
    const { dataDirectory } = await extracted(t, backup, version);
    const args = ['-m', join(backup.directory, 'backup_manifest'), ...more, dataDirectory];
    const accepted = verify(tool, args);
    t.is(accepted.status, 0, accepted.stderr);
    t.is(accepted.stderr, '');

    const database = join(dataDirectory, 'base', (await readdir(join(dataDirectory, 'base')))[0] ?? '');
    await mkdir(join(dataDirectory, 'pg_xact_of_mine'));
    await truncate(join(database, 'PG_VERSION'), 0);
    const refused = verify(tool, args);
    t.not(refused.status, 0);
    t.regex(refused.stderr, /PG_VERSION/);
  });
}

for (const [version, tool] of [
  [17, 18],
  [17, 19],
  [18, 17],
  [18, 19],
] as const) {
  testWhen(noCopies, noTool(tool, 'pg_verifybackup')).serial(
    `pg_verifybackup ${tool} takes the pg_control of a copy of ${version} for damaged`,
    async (t) => {
      const scene = await copyScene(t, { version });
      await scene.startCopier();
      const backup = await scene.copy();
      const { dataDirectory } = await extracted(t, backup, version);
      const refused = verify(tool, ['-n', '-m', join(backup.directory, 'backup_manifest'), dataDirectory]);
      t.not(refused.status, 0);
      t.regex(refused.stderr, /CRC is incorrect/);
    },
  );
}
