import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { withoutOldCommands } from '../../src/labels/without-old-commands.ts';
import { configuredIn } from '../../src/recovery/auto-conf.ts';
import { endCommand } from '../../src/recovery/recovery-commands.ts';
import { settingLines } from '../../src/recovery/recovery-settings.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('commands of the old server are not to run in a copy, wherever its configuration may have them', async (t) => {
  const directory = await temporaryDirectory(t);
  const names = async () =>
    (await withoutOldCommands(directory, await configuredIn(directory))).map(([name]) => name);
  const both = ['archive_cleanup_command', 'recovery_end_command'];
  t.deepEqual(await names(), both, 'the configuration is elsewhere');
  const inside = join(directory, 'postgresql.conf');
  await writeFile(inside, "#archive_cleanup_command = ''\nrecovery_end_command = ''\n");
  t.deepEqual(await names(), []);
  await appendFile(inside, "archive_cleanup_command = 'pg_archivecleanup /archive %r'\n");
  await appendFile(inside, "recovery_end_command = 'move-address'\n");
  t.deepEqual(await names(), both);
  const ours = endCommand({ script: '/opt/holdfast-wal', nodeDirectory: '/opt' });
  await writeFile(join(directory, 'postgresql.auto.conf'), settingLines([['recovery_end_command', ours]]));
  t.deepEqual(await names(), ['archive_cleanup_command'], 'it takes the recovery target out');
});
