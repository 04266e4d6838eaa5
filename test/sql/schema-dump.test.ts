// What an installation makes is written down, so that whoever changes it sees what he changes.
import { readFileSync } from 'node:fs';
import { usual } from '../../dev/embedded/binaries.ts';
import { describeSchema } from '../../dev/schema/describe.ts';
import { freshDatabase } from '../support/cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const version = Number(process.env['TEST_PG_VERSION'] ?? usual);
const otherVersion = version === usual ? undefined : `PostgreSQL ${version} words its catalogs differently`;

testWhen(otherVersion)('a fresh installation is what sql/schema.txt says', async (t) => {
  const { url } = await freshDatabase(t);
  await installInto(url);
  const written = readFileSync(new URL('../../sql/schema.txt', import.meta.url), 'utf8');
  const found = await describeSchema(await connect(t, url));
  t.deepEqual(
    found.split('\n'),
    written.split('\n'),
    'sql/schema.txt is out of date: run node dev/schema-dump.ts',
  );
});
