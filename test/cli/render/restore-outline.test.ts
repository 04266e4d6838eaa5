import test from 'ava';
import { describeOutline } from '../../../src/cli/render/restore-report.ts';
import { parseRepositoryBackup } from '../../../src/repository/repository-backup.ts';
import { describedBackup } from '../../support/described-backup.ts';

test('a restore says where pg_wal of the backed-up server was: behind a link, or a volume mounted there', (t) => {
  const described = parseRepositoryBackup(
    'backup.json',
    describedBackup({
      id: 1,
      label: 'x',
      systemIdentifier: '7000000000000000001',
      startedAt: '2026-01-01T00:00:00.000Z',
      stoppedAt: '2026-01-01T01:00:00.000Z',
      startLsn: '0/2000028',
      startWal: '000000010000000000000002',
      stopLsn: '0/2000138',
      stopWal: '000000010000000000000002',
      walSegmentSize: 16_777_216,
    }),
  );
  const told = (walLinkedTo: string) => {
    const description = { ...described, walLinkedTo };
    const backup = { description, directory: '/r/b', meta: '/r/b.meta' };
    const plan = { path: [], fromBackup: [], hasHole: false, lacksHistory: false, nextTimeline: 2 };
    return describeOutline({
      choice: { ...plan, backup, recorded: undefined, warnings: [] },
      restored: { tablespaces: [], files: 1, bytes: 1 },
      directory: '/new',
      wal: undefined,
      dryRun: true,
      recovery: {
        target: { kind: 'latest' },
        timeline: 'latest',
        action: 'promote',
        standby: false,
        restoreCommand: '',
        endCommand: '',
        noArchiving: true,
      },
      ahead: { created: [], required: undefined, lookedTo: 'nothing', toTarget: false },
    }).join('\n');
  };
  t.regex(told('/volume/wal'), /had it at \/volume\/wal: give --wal-directory to put/);
  t.regex(told('/data/pg_wal'), /had a volume mounted at \/data\/pg_wal: give --wal-directory to put/);
});
