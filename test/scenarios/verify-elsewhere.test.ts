// What `holdfast verify` finds of a copy of a repository is not recorded as if it were of the backup itself.
import { randomUUID } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { noServerFiles } from '../support/cluster.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { verify, type Found } from '../support/verify.ts';

const test = testWhen(noServerFiles);

test('what is found of a copy elsewhere says nothing of the backup in the repository', async (t) => {
  const scene = await repositoryScene(t);
  const { directory } = await scene.backup();
  const recorded = () => scene.admin.value('select count(*)::int from holdfast.backup_verification');
  const elsewhere = await temporaryDirectory(t);
  await cp(scene.directory, join(elsewhere, 'main'), { recursive: true, verbatimSymlinks: true });
  const copy = join(elsewhere, 'main', 'backups', basename(directory));
  const owner = join(elsewhere, 'main', 'owner.json');
  const theirs = { ...(JSON.parse(await readFile(owner, 'utf8')) as object), id: randomUUID() };
  await writeFile(owner, JSON.stringify(theirs));
  const options = { url: scene.workerLogin.url };
  for (const [place, which, why] of [
    [elsewhere, '1', /has the id .*, and the repository of cluster main has /],
    [scene.repository, copy, /is not in ".*\/backups"$/],
    [elsewhere, directory, /has the id .*, and the repository of cluster main has /],
  ] as const) {
    const command = ['verify', '--json', '--repository', place, which];
    const { status, stdout, stderr } = await holdfast(command, options);
    t.is(status, 0, stderr);
    t.like((JSON.parse(stdout) as Found[])[0], { ok: true, recorded: false });
    const [line] = stderr.split('\n').filter((text) => text.includes('this is not in backup_verification: '));
    t.regex(String(line), why);
  }
  t.is(await recorded(), 0);
  t.like((await verify(scene, directory)).found[0], { recorded: true });
  t.is(await recorded(), 1);

  await scene.admin.query(`update holdfast.confirmed_origin set origin = 'another'`);
  const { status, stderr } = await holdfast(['verify', '1', '--repository', scene.repository], options);
  t.is(status, 1);
  t.regex(stderr, /a verification rests: /);
  t.is((await verify(scene, '1', '--no-record')).status, 0);
});
