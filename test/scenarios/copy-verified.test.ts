// PostgreSQL's own pg_verifybackup on what was extracted: every file, its size, its checksum, and the manifest itself.
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Major } from '../../dev/embedded/binaries.ts';
import { copyScene, extracted, noCopies } from '../support/copies.ts';
import { testWhen } from '../support/test-when.ts';

/** As Debian's packages have it; undefined where it is not. */
function verifier(major: number): string | undefined {
  const program = `/usr/lib/postgresql/${major}/bin/pg_verifybackup`;
  return spawnSync(program, ['--version']).status === 0 ? program : undefined;
}

interface Case {
  version: Major;
  /** Another major's tool cannot read this one's WAL. */
  tool: number;
  arguments: string[];
}

const cases: Case[] = [
  { version: 13, tool: 15, arguments: ['-n'] },
  { version: 14, tool: 15, arguments: ['-n'] },
  { version: 15, tool: 15, arguments: [] },
  { version: 16, tool: 15, arguments: ['-n'] },
  { version: 17, tool: 17, arguments: [] },
  { version: 18, tool: 18, arguments: [] },
];

for (const { version, tool, arguments: more } of cases) {
  const program = verifier(tool);
  const missing = program === undefined ? `there is no pg_verifybackup ${tool}` : undefined;
  const test = testWhen(noCopies, missing).serial;
  const how = [`pg_verifybackup ${tool}`, ...more].join(' ');

  test(`${how} accepts a copy of ${version}, and finds what is missing in one`, async (t) => {
    const scene = await copyScene(t, { version, initdb: ['--data-checksums'] });
    await scene.admin.query('create table kept as select n, md5(n::text) from generate_series(1, 10000) n');
    await scene.admin.query('create unlogged table fleeting as select generate_series(1, 1000) n');
    await scene.startCopier();
    const backup = await scene.copy();
    t.deepEqual(backup.row.warnings, []);
    const { dataDirectory } = await extracted(t, backup, version);
    const verify = () => {
      const path = `${join(program ?? '', '..')}:${process.env['PATH']}`;
      const args = ['-m', join(backup.directory, 'backup_manifest'), ...more, dataDirectory];
      return spawnSync(String(program), args, { encoding: 'utf8', env: { ...process.env, PATH: path } });
    };
    const accepted = verify();
    t.is(accepted.status, 0, accepted.stderr);
    t.is(accepted.stderr, '');

    const database = join(dataDirectory, 'base', (await readdir(join(dataDirectory, 'base')))[0] ?? '');
    await mkdir(join(dataDirectory, 'pg_xact_of_mine'));
    await truncate(join(database, 'PG_VERSION'), 0);
    const refused = verify();
    t.not(refused.status, 0);
    t.regex(refused.stderr, /PG_VERSION/);
  });
}
