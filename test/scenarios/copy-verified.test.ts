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
  /** These accept the copy. A tool cannot read the WAL of another major than its own (-n). */
  accepted: (readonly [tool: number, ...args: string[]])[];
  /** These take its pg_control for damaged. */
  refused?: number[];
}

/** As docs/postgres-tools.md has it. */
const cases: Case[] = [
  {
    version: 12,
    accepted: [
      [15, '-n'],
      [18, '-n'],
      [19, '-n'],
    ],
  },
  { version: 13, accepted: [[15, '-n']] },
  { version: 14, accepted: [[15, '-n']] },
  { version: 15, accepted: [[15]] },
  {
    version: 16,
    accepted: [
      [15, '-n'],
      [17, '-n'],
      [19, '-n'],
    ],
  },
  { version: 17, accepted: [[17]], refused: [18, 19] },
  { version: 18, accepted: [[18]], refused: [17, 19] },
  { version: 19, accepted: [[19]], refused: [17, 18] },
];

for (const { version, accepted, refused = [] } of cases) {
  const tools = [...accepted.map(([tool]) => tool), ...refused];
  const test = testWhen(noCopies, ...tools.map((tool) => noTool(tool, 'pg_verifybackup'))).serial;
  const how = accepted.map((words) => words.join(' ')).join(', ');

  test(`pg_verifybackup ${how} accepts a copy of ${version}, and finds what is missing in one`, async (t) => {
    const scene = await copyScene(t, { version, initdb: ['--data-checksums'] });
    await scene.admin.query('create table kept as select n, md5(n::text) from generate_series(1, 10000) n');
    await scene.admin.query('create unlogged table fleeting as select generate_series(1, 1000) n');
    await scene.startCopier();
    const backup = await scene.copy();
    t.deepEqual(backup.row.warnings, []);
    const { dataDirectory } = await extracted(t, backup, version);
    const manifest = ['-m', join(backup.directory, 'backup_manifest')];
    for (const [tool, ...args] of accepted) {
      const { status, stderr } = verify(tool, [...args, ...manifest, dataDirectory]);
      t.is(status, 0, `${tool}: ${stderr}`);
      t.is(stderr, '');
    }
    for (const tool of refused) {
      const { status, stderr } = verify(tool, ['-n', ...manifest, dataDirectory]);
      t.not(status, 0);
      t.regex(stderr, /CRC is incorrect/, `${tool}`);
    }

    const database = join(dataDirectory, 'base', (await readdir(join(dataDirectory, 'base')))[0] ?? '');
    await mkdir(join(dataDirectory, 'pg_xact_of_mine'));
    await truncate(join(database, 'PG_VERSION'), 0);
    for (const [tool, ...args] of accepted) {
      const { status, stderr } = verify(tool, [...args, ...manifest, dataDirectory]);
      t.not(status, 0);
      t.regex(stderr, /PG_VERSION/);
    }
  });
}

function verify(tool: number, args: string[]) {
  const bin = String(toolsOf(tool, 'pg_verifybackup'));
  const env = { ...process.env, PATH: [bin, process.env['PATH']].join(delimiter) };
  return spawnSync(join(bin, 'pg_verifybackup'), args, { encoding: 'utf8', env });
}
