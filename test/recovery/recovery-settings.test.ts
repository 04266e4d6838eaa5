import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { recoverySettings, withSettings, type RecoveryChoice } from '../../src/recovery/recovery-settings.ts';
import { fetchCommand } from '../../src/recovery/recovery-commands.ts';
import { withoutTarget } from '../../src/restore/forget-target.ts';
import { formatTime, parseTime } from '../../src/recovery/recovery-target.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const latest: RecoveryChoice = {
  target: { kind: 'latest' },
  timeline: 'latest',
  action: 'pause',
  standby: false,
  restoreCommand: 'fetch %f %p',
  endCommand: 'end',
  noArchiving: false,
};

test('whatever else is set is unset first, and the target comes last of them', (t) => {
  const settings = recoverySettings({
    ...latest,
    target: { kind: 'lsn', lsn: parseLsn('0/3000028'), exclusive: true },
  });
  const names = settings.map(([name]) => name);
  const at = names.indexOf('recovery_target_lsn');
  for (const other of [
    'recovery_target',
    'recovery_target_name',
    'recovery_target_time',
    'recovery_target_xid',
  ]) {
    t.is(settings[names.indexOf(other)]?.[1], '', other);
    t.true(names.indexOf(other) < at, other);
  }
  t.is(settings[at]?.[1], '0/3000028');
  t.is(new Map(settings).get('recovery_target_inclusive'), 'off');
});

test('a standby keeps what cleans up its archive and delays it', (t) => {
  t.is(new Map(recoverySettings(latest)).get('archive_cleanup_command'), '');
  t.false(new Map(recoverySettings({ ...latest, standby: true })).has('archive_cleanup_command'));
});

test('earlier settings of the same names become comments, and everything else stays byte for byte', (t) => {
  const before = Buffer.from(
    `# mine\nwork_mem = '4MB'\n  Recovery_Target_Time = '2020-01-01'\nrestore_command='old'\nx = '\xe9'`,
    'latin1',
  );
  const after = withSettings(
    before,
    [
      ['restore_command', `it's \\ 100%%`],
      ['recovery_target_time', ''],
    ],
    'new',
  );
  t.is(
    after.toString('latin1'),
    `# mine\nwork_mem = '4MB'\n#  Recovery_Target_Time = '2020-01-01'\n#restore_command='old'\nx = '\xe9'\n` +
      `# new\nrestore_command = 'it''s \\\\ 100%%'\nrecovery_target_time = ''\n`,
  );
});

test('once recovery is over its target goes, and everything else stays byte for byte', (t) => {
  const settings = recoverySettings({ ...latest, target: { kind: 'name', name: 'then' } });
  const before = withSettings(Buffer.from(`work_mem = '4MB'\nx = '\xe9'`, 'latin1'), settings, 'restore');
  const after = withoutTarget(before).toString('latin1');
  t.true(
    after.startsWith(`work_mem = '4MB'\nx = '\xe9'\n# restore\nrestore_command = 'fetch %f %p'\n`),
    after,
  );
  t.regex(after, /^recovery_target_name = ''$/m);
  t.regex(after, /^recovery_end_command = ''$/m);
  t.regex(after, /^archive_cleanup_command = ''$/m);
  t.notRegex(after, /recovery_target_(action|inclusive)|hot_standby/);
  t.deepEqual(withoutTarget(Buffer.from(after, 'latin1')).toString('latin1'), after);
});

test('once recovery is over, what was for it alone is out of restore_command, and the timeline is the latest again', (t) => {
  const command = { script: '/h/holdfast-wal', nodeDirectory: '/n', repository: "/r'", cluster: 'main' };
  const restoreCommand = fetchCommand({
    ...command,
    despiteMissingWal: true,
    lease: '0123456789abcdef-20260101T000000Z-1',
    lookedTo: '000000010000000000000007',
  });
  const settings = recoverySettings({ ...latest, standby: true, timeline: 1, restoreCommand });
  const after = withoutTarget(withSettings(Buffer.alloc(0), settings, 'restore'));
  const expected = recoverySettings({ ...latest, restoreCommand: fetchCommand(command) });
  const [line = ''] = withSettings(Buffer.alloc(0), expected.slice(0, 1), 'restore')
    .toString()
    .split('\n', 2)
    .slice(1);
  t.true(after.toString().includes(`\n${line}\n`), after.toString());
  t.regex(after.toString(), /^recovery_target_timeline = 'latest'$/m);
});

test('the shell gives wal fetch every word as it was, whatever is in it', async (t) => {
  const directory = join(await temporaryDirectory(t), `o'brien's`);
  await mkdir(directory);
  const script = join(directory, 'holdfast-wal');
  await writeFile(
    script,
    `#!/bin/sh\nprintf '%s\\n' "$PATH" "$HOLDFAST_REPOSITORY" "$HOLDFAST_CLUSTER" "$@"\n`,
    { mode: 0o755 },
  );
  const repository = '/srv/100% "safe" $HOME';
  const command = fetchCommand({ script, nodeDirectory: '/opt/my node', repository, cluster: 'main' });
  // As PostgreSQL does before it hands it to the shell.
  const substituted = command.replace(
    /%(.)/g,
    (_, what: string) => ({ '%': '%', f: 'SEGMENT', p: 'pg_wal/X' })[what] ?? '',
  );
  const { stdout } = spawnSync('/bin/sh', ['-c', substituted], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  });
  t.deepEqual(stdout.trimEnd().split('\n'), [
    '/opt/my node:/usr/bin:/bin',
    repository,
    'main',
    'fetch',
    'SEGMENT',
    'pg_wal/X',
  ]);
});

test('a time is taken with its offset, and given in UTC to the microsecond', (t) => {
  const times: [string, string][] = [
    ['2026-03-14 12:00:00+00', '2026-03-14 12:00:00.000000+00'],
    ['2026-03-14T12:00:00.123456Z', '2026-03-14 12:00:00.123456+00'],
    ['2026-03-14 12:00:00.5+05:30', '2026-03-14 06:30:00.500000+00'],
    ['2026-03-14 12:00-0330', '2026-03-14 15:30:00.000000+00'],
    ['1969-12-31 23:59:59.9 UTC', '1969-12-31 23:59:59.900000+00'],
  ];
  for (const [text, expected] of times) t.is(formatTime(parseTime(text)), expected, text);
});

test('a time without an offset, or one that never was, is refused', (t) => {
  for (const text of [
    '2026-03-14 12:00:00',
    'yesterday',
    '2026-03-14',
    '2026-02-30 12:00:00Z',
    '2026-03-14 25:00:00Z',
  ])
    t.throws(() => parseTime(text), { instanceOf: RangeError }, text);
});
