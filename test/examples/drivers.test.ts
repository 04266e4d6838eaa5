import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { testWhen } from '../support/test-when.ts';
import { example, finished, stage, unless } from './stage.ts';

// Debian's: another python3 may come first in PATH, without Debian's packages.
const python = '/usr/bin/python3';
const has = (module: string, debianPackage: string) =>
  unless([python, '-c', `import ${module}`], `there is no ${module}: install ${debianPackage}`);
const noDbi = unless(
  ['/usr/bin/perl', '-MDBD::Pg', '-e', '1'],
  'there is no DBD::Pg: install libdbd-pg-perl',
);

// The script prefers psycopg 3: where both are there, this hides it.
const hiding = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
writeFileSync(join(hiding, 'psycopg.py'), 'raise ImportError("hidden")\n');
test.after.always(() => rmSync(hiding, { recursive: true }));

const script = example('python/backup.py');
const drivers = [
  {
    program: [python, script],
    name: 'python/backup.py, with psycopg,',
    obstacle: has('psycopg', 'python3-psycopg'),
  },
  {
    program: ['/usr/bin/env', `PYTHONPATH=${hiding}`, python, script],
    name: 'python/backup.py, with psycopg2,',
    obstacle: has('psycopg2', 'python3-psycopg2'),
  },
  { program: ['/usr/bin/perl', example('perl/backup.pl')], name: 'perl/backup.pl', obstacle: noDbi },
];

for (const { program, name, obstacle } of drivers) {
  const [interpreter = '', ...first] = program;

  testWhen(obstacle)(`${name} backs up`, async (t) => {
    const scene = await stage(t);
    const done = await scene.run(interpreter, ...first, 'nächtlich', scene.directory, 'true');
    t.is(done.status, 0, done.stderr);
    t.regex(done.stdout, /backup 1 is running from \S+\nbackup 1 is complete/);
    await finished(t, scene);
    t.is((await scene.request()).label, 'nächtlich');
  });

  testWhen(obstacle)(`${name} cancels the backup when the copy fails`, async (t) => {
    const scene = await stage(t);
    const failed = await scene.run(
      interpreter,
      ...first,
      'nightly',
      scene.directory,
      '/bin/sh',
      '-c',
      'exit 2',
    );
    t.not(failed.status, 0);
    t.regex(failed.stderr, /the copy failed/);
    t.is((await scene.request()).state, 'cancelled');
  });
}
