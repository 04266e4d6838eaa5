// Chains with files that are not theirs: put into the data directory, taken from another repository, or described anew.
import { cp, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { StoredBackup } from '../../src/repository/catalog.ts';
import { formatRepositoryBackup, type RepositoryBackup } from '../../src/repository/repository-backup.ts';
import { noIncrements } from '../support/chains.ts';
import { forge, memberBytes } from '../support/forged-backup.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noIncrements).serial;

const idOf = ({ description }: StoredBackup) => String(description.id);

/** A full copy, and one of what has changed since. */
async function changedCopies(scene: RepositoryScene): Promise<[StoredBackup, StoredBackup]> {
  const { admin } = scene;
  await admin.query(
    `create table kept as select id, repeat('x', 400) as filler from generate_series(1, 20000) id`,
  );
  const full = await scene.backup();
  await admin.query(`update kept set filler = 'changed' where id % 100 = 1`);
  return [full, await scene.backup({ incremental: true })];
}

test('a chain of a server with stray incremental files is restored, from beside the copy where it was taken out', async (t) => {
  const scene = await repositoryScene(t, { settings: { summarize_wal: 'on' } });
  const data = String(scene.cluster.dataDirectory);
  const database = await scene.admin.value<string>(
    `select oid::text from pg_database where datname = current_database()`,
  );
  for (const stray of ['INCREMENTAL.note', `base/${database}/INCREMENTAL.1259`])
    await writeFile(join(data, stray), 'stray');
  const [full, child] = await changedCopies(scene);
  const place = await temporaryDirectory(t);
  for (const { directory, meta } of [full, child])
    for (const each of [directory, meta]) await cp(each, join(place, basename(each)), { recursive: true });

  const restored = await scene.restored(join(place, basename(child.directory)));
  t.is(await readFile(join(restored.dataDirectory, 'INCREMENTAL.note'), 'utf8'), 'stray');
  await t.throwsAsync(readFile(join(restored.dataDirectory, `base/${database}/INCREMENTAL.1259`)), {
    code: 'ENOENT',
  });
  t.is((await holdfast(['verify', '--no-record', '--repository', scene.repository, idOf(child)])).status, 0);
});

test('another copy in the place of a link is refused, and a description that contradicts the label', async (t) => {
  const scene = await repositoryScene(t, { settings: { summarize_wal: 'on' } });
  const [full, child] = await changedCopies(scene);
  const verify = () => holdfast(['verify', '--no-record', '--repository', scene.repository, idOf(child)]);
  const restore = async () => scene.restore(join(await temporaryDirectory(t), 'data'), idOf(child));
  const sound = await verify();
  t.is(sound.status, 0, sound.stdout + sound.stderr);

  const description = join(child.meta, 'backup.json');
  const before = await readFile(description);
  const { incremental: _, ...asFull } = child.description;
  const described: [RepositoryBackup, RegExp][] = [
    [asFull, /backup\.json contradicts backup_label: one of them is damaged/],
    [
      { ...child.description, checksums: !child.description.checksums },
      /which has another setting of data checksums/,
    ],
  ];
  for (const [forged, problem] of described) {
    await writeFile(description, formatRepositoryBackup(forged));
    t.regex((await verify()).stdout, problem);
    t.regex((await restore()).stderr, problem);
  }
  await writeFile(description, before);

  const content = Buffer.from('of the clone');
  const path = 'note';
  await forge(full, {
    add: [{ tar: 'base.tar.zst', bytes: memberBytes({ name: path }, content) }],
    list: [{ path, content }],
  });
  const other = new RegExp(
    `its chain is broken at backup ${basename(full.directory)}, which has another backup_manifest than`,
  );
  t.regex((await verify()).stdout, other);
  t.regex((await restore()).stderr, other);
});
