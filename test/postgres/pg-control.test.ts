import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import anyTest, { type ExecutionContext } from 'ava';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { parseControlFile } from '../../src/postgres/pg-control.ts';
import { requiredParameters, type RequiredParameters } from '../../src/postgres/required-parameters.ts';
import { UnknownFormatError } from '../../src/postgres/unknown-format-error.ts';
import { noServerFiles, sharedCluster } from '../support/cluster.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);

async function controlFile(t: ExecutionContext): Promise<Buffer> {
  const cluster = await sharedCluster();
  t.truthy(cluster.dataDirectory);
  return readFile(join(cluster.dataDirectory ?? '', 'global/pg_control'));
}

test('what is read from the file is what the server says', async (t) => {
  const client = await connect(t, (await sharedCluster()).url());
  await client.query('checkpoint');
  const parsed = parseControlFile(await controlFile(t));
  const [said] = await client.query(
    `select system_identifier::text, catalog_version_no, checkpoint_lsn::text, redo_lsn::text, timeline_id,
       database_block_size, blocks_per_segment, bytes_per_wal_segment, data_page_checksum_version,
       extract(epoch from pg_control_last_modified)::float8 as modified_at,
       (select json_object_agg(name, setting::int) from pg_settings where name = any($1)) as required
     from pg_control_system(), pg_control_checkpoint(), pg_control_init()`,
    [requiredParameters],
  );
  t.deepEqual(parsed, {
    systemIdentifier: String(said?.['system_identifier']),
    checkpointLsn: parseLsn(String(said?.['checkpoint_lsn'])),
    redoLsn: parseLsn(String(said?.['redo_lsn'])),
    timeline: Number(said?.['timeline_id']),
    state: 'in production',
    modifiedAt: Number(said?.['modified_at']),
    catalogVersion: Number(said?.['catalog_version_no']),
    required: said?.['required'] as RequiredParameters,
    blockSize: Number(said?.['database_block_size']),
    relationSegmentBlocks: Number(said?.['blocks_per_segment']),
    walSegmentSize: Number(said?.['bytes_per_wal_segment']),
    checksums: Number(said?.['data_page_checksum_version']) > 0,
  });
});

test('a single flipped bit anywhere before the checksum is noticed', async (t) => {
  const bytes = await controlFile(t);
  for (const at of [0, 7, 12, 16, 40, 100, 200, 280]) {
    const damaged = Buffer.from(bytes);
    damaged[at] = Number(damaged[at]) ^ 1;
    t.throws(
      () => parseControlFile(damaged),
      { instanceOf: RangeError, message: /checksum is wrong/ },
      `byte ${at}`,
    );
  }
});

test('a file of a version that is not known is refused', async (t) => {
  const bytes = Buffer.from(await controlFile(t));
  bytes.writeUInt32LE(1100, 8);
  t.throws(() => parseControlFile(bytes), {
    instanceOf: UnknownFormatError,
    message: 'it has the version 1100, which belongs to no PostgreSQL 12 to 19',
  });
});

anyTest('a file that is cut off is refused', (t) => {
  t.throws(() => parseControlFile(Buffer.alloc(100)), { message: 'it has only 100 bytes' });
});
