// The system may know more accounts than its files: those of a directory service, which getent(1) asks.
import { access, chmod, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import test from 'ava';
import { ownerHere } from '../../src/extraction/owners.ts';
import { accountNumber, userName } from '../../src/system/users.ts';
import { versionOf } from '../../src/restore/server-version.ts';
import { testWhen } from '../support/test-when.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('accounts that only a directory service knows are found by number and by name', async (t) => {
  const directory = await temporaryDirectory(t);
  const getent = join(directory, 'getent');
  await writeFile(
    getent,
    `#!/bin/sh
echo "$*" >> ${directory}/asked
case "$*" in
'passwd 4711' | 'passwd remote_postgres') echo 'remote_postgres:*:4711:4712::/:/bin/sh' ;;
'group 4712' | 'group remote_dba') echo 'remote_dba:*:4712:' ;;
*) exit 2 ;;
esac
`,
  );
  await chmod(getent, 0o755);
  process.env['PATH'] = [directory, process.env['PATH']].join(delimiter);

  t.is(userName(0), 'root');
  await t.throwsAsync(
    access(join(directory, 'asked')),
    { code: 'ENOENT' },
    'a process for a name that a file has',
  );
  t.is(userName(4711), 'remote_postgres');
  t.is(accountNumber('passwd', 'remote_postgres'), 4711);
  t.is(accountNumber('passwd', 'root'), 0, 'of the files');
  for (const name of ['', '4711', '-h', 'a b', 'nobody-of-this-name'])
    t.is(accountNumber('passwd', name), undefined, name);
  t.deepEqual(ownerHere({ user: 'remote_postgres', group: 'remote_dba', uid: 1, gid: 2 }), [4711, 4712]);
  t.deepEqual(ownerHere({ user: 'gone', group: '', uid: 26, gid: 27 }), [26, 27]);
});

testWhen(process.getuid?.() === 0 ? undefined : 'only root can be somebody else')(
  'programs run as users and groups of any number',
  async (t) => {
    const programs = await temporaryDirectory(t);
    await chmod(programs, 0o755);
    const program = join(programs, 'postgres');
    await writeFile(
      program,
      '#!/bin/sh\necho "postgres (PostgreSQL) $(($(id -u) - 4294967200 + $(id -g) - 2147483648))"\n',
      {
        mode: 0o755,
      },
    );
    t.is(await versionOf(programs, { uid: 4_294_967_216, gid: 2_147_483_648 }), 16);
  },
);
