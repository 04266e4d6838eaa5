// Whatever a requester calls his backup is what the server's backup_label says.
import test, { type ExecutionContext } from 'ava';
import { completeBackup, labelFiles, startBackup, untilState } from '../support/backups.ts';
import { freshDatabase } from '../support/cluster.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { latin1Target } from '../support/latin1-target.ts';
import { startWorkerProcess } from '../support/process.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

async function setup(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const worker = await startWorkerProcess(t, { url: db.url });
  return { db, worker, client: await connect(t, db.url) };
}

const labels: Record<string, string> = {
  'with quotes of every kind': `it's "quoted" \`so\` $$or$$ E'\\n' --`,
  'with backslashes': String.raw`C:\backup\new\\`,
  'with emoji': '🐘 nightly 👩‍👩‍👧',
  'with percent signs and other formats': '%s %n %1$s {0} $1 :label %p',
  'of spaces': '   ',
  'that looks like a line of the file': 'START WAL LOCATION: 0/0 (file 000000000000000000000000)',
  'of 1000 bytes': 'x'.repeat(1000),
  'of 1000 bytes in characters of four': '🐘'.repeat(250),
};

test('every label arrives as it was given, in the row and in the label directory', async (t) => {
  const { db, worker } = await setup(t);
  const round = async ([what, label]: [string, string]) => {
    const client = await connect(t, db.url);
    const { id } = await startBackup(client, { label });
    const complete = await completeBackup(client, id);
    t.is(complete.label, label, what);
    t.is(/^LABEL: (.*)$/m.exec(String(complete.backup_label))?.[1], label, what);
    const files = await labelFiles(worker.labels, id);
    t.is(files?.get('backup_label')?.toString(), complete.backup_label ?? '', what);
    t.is((JSON.parse(String(files?.get('backup.json'))) as { label: string }).label, label, what);
    t.deepEqual(complete.warnings, [], what);
  };
  await Promise.all(Object.entries(labels).map(round));
});

test('without a label it is the UTC time and the id', async (t) => {
  const { client } = await setup(t);
  const { id, label } = await startBackup(client);
  t.regex(label, new RegExp(`^\\d{8}T\\d{6}Z-${id}$`));
  t.regex(String((await completeBackup(client, id)).backup_label), new RegExp(`\\nLABEL: ${label}\\n`));
});

test("a label that the target's encoding cannot hold is refused before the checkpoint", async (t) => {
  const { client } = await latin1Target(t);
  const refused = await untilState(client, await request(client, { label: '🐘' }), 'failed', {
    within: 5000,
  });
  t.is(refused.error_code, 'label_not_representable');
  t.regex(String(refused.hint), /ASCII/);
  t.is(refused.start_lsn, null);
});

test("a label that is too long only in the target's encoding is refused before the checkpoint", async (t) => {
  const target = await freshDatabase(t, undefined, { encoding: 'EUC_TW', locale: 'C' });
  const db = await installedDatabase(t);
  await startWorkerProcess(t, { url: db.url, config: `[cluster.main]\nurl = "${target.url}"\n` });
  const client = await connect(t, db.url);
  // Three bytes in UTF-8, four there.
  const refused = await untilState(client, await request(client, { label: '乂'.repeat(257) }), 'failed', {
    within: 5000,
  });
  t.is(refused.error_code, 'label_too_long');
  t.regex(String(refused.error), /the label has 1028 bytes .*, more than 1024/);
  t.is(refused.start_lsn, null);

  const { id } = await startBackup(client, { label: '乂'.repeat(256) });
  t.is((await completeBackup(client, id)).label, '乂'.repeat(256));
});
