// src/backend/utils/misc/guc-file.l reads included files where they stand, relative to the file that names them.
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { configuredIn } from '../../src/recovery/auto-conf.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a setting is the last one that is read, with what the configuration includes', async (t) => {
  const directory = await temporaryDirectory(t);
  const outside = await temporaryDirectory(t);
  const write = (name: string, text: string) => writeFile(join(directory, name), text);
  await mkdir(join(directory, 'conf.d', 'more'), { recursive: true });
  await writeFile(join(outside, 'outside.conf'), 'max_wal_senders = 77\n');
  await symlink(join(outside, 'outside.conf'), join(directory, 'linked.conf'));
  await write(
    'postgresql.conf',
    [
      'max_connections = 200',
      "include_dir = 'conf.d'  # small ones",
      "include_if_exists 'none.conf'",
      `include '${join(outside, 'outside.conf')}'`,
      "INCLUDE 'linked.conf'",
      'max_worker_processes = 9',
    ].join('\n'),
  );
  await write('conf.d/10-big.conf', "max_connections = 40\nport = '5433' # here\n");
  await write('conf.d/20-small.conf', "max_connections = 30\ninclude 'more/last'\n");
  await write('conf.d/.hidden.conf', 'max_connections = 1\n');
  await write('conf.d/30-other.txt', 'max_connections = 2\n');
  await write('conf.d/more/last', 'max_locks_per_transaction=128\nmax_worker_processes = 3\n');
  await write('postgresql.auto.conf', "port = '5434'\n");

  const configured = await configuredIn(directory);
  t.is(configured('max_connections'), '30');
  t.is(configured('max_locks_per_transaction'), '128');
  t.is(configured('max_worker_processes'), '9');
  t.is(configured('port'), '5434');
  t.is(configured('max_wal_senders'), undefined, 'what lies elsewhere is not read');
  t.is((await configuredIn(outside))('port'), undefined);
});
