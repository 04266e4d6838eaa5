import { makeReader, openAsSuperuser, openForReading } from '../../src/drill/drill-server-queries.ts';
import { freshDatabase, sharedCluster } from '../support/cluster.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

test('no setting of a database or a role has the sessions of a drill pass over damaged pages', async (t) => {
  const { version } = await sharedCluster();
  const { name, url } = await freshDatabase(t);
  const { hostname, port, username } = new URL(url);
  const address = { socketDirectory: hostname, port: Number(port), user: username };
  const owner = await connect(t, url);
  const settings = ['zero_damaged_pages', 'ignore_checksum_failure'];
  for (const setting of settings) {
    await owner.query(`alter database ${name} set ${setting} = on`);
    await owner.query(`alter role ${username} in database ${name} set ${setting} = on`);
  }
  const superuser = await openAsSuperuser(address, name, version);
  await makeReader(superuser, version);
  const reader = await openForReading(address, name);
  const [{ role } = { role: '' }] = await reader.query<{ role: string }>('select current_user::text as role');
  for (const session of [superuser, reader]) {
    for (const setting of settings)
      t.deepEqual(await session.query(`show ${setting}`), [{ [setting]: 'off' }]);
    await session.close();
  }
  await owner.query(`drop owned by ${role}; drop role ${role}`);
});
