import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  archivePlaces,
  doesNothing,
  holdsSegment,
  isPush,
  type ArchiveQuestion,
} from '../../src/backup/archive-places.ts';
import { lookFor, type Patience } from '../../src/backup/find-in-archive.ts';
import { claimRepository } from '../../src/repository/cluster-identity.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { makeRepository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const systemIdentifier = '7412345678901234567';
const [first, second] = ['0000000100000002000000FF', '000000010000000300000000'];
const segments = [first, second];

async function stage(t: ExecutionContext) {
  const directory = await temporaryDirectory(t);
  const archive = join(directory, 'archive');
  await mkdir(archive);
  const clusterDirectory = join(directory, 'repository', 'main');
  const put = async (path: string, bytes = 'WAL') => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  };
  const question = {
    clusterDirectory,
    archiveDirectory: undefined,
    systemIdentifier,
    hasNoOther: false,
  };
  return {
    archive,
    directory,
    repository: join(directory, 'repository'),
    claim: (system = systemIdentifier) =>
      claimRepository(clusterDirectory, { systemIdentifier: system, walSegmentSize: 1 << 24 }),
    inArchive: (name: string, bytes?: string) => put(join(archive, name), bytes),
    inRepository: (name: string) => put(archivedPath(clusterDirectory, name)),
    inWal: join(clusterDirectory, 'wal'),
    see: (change: Partial<ArchiveQuestion> = {}, patience: Partial<Patience> = {}) =>
      lookFor(segments, archivePlaces({ ...question, ...change }), {
        within: 0,
        signal: new AbortController().signal,
        onMissing: () => undefined,
        ...patience,
      }),
  };
}

test('WAL in the repository is seen, and of what is not there the first segment is named', async (t) => {
  const { see, claim, inRepository, inWal, repository } = await stage(t);
  await makeRepository(repository);
  await claim();
  await inRepository('000000010000000200000001');
  t.deepEqual(await see(), { seen: false, missing: first, where: `"${inWal}"` });
  await inRepository(first);
  await inRepository(`${second}.partial`);
  t.deepEqual(await see(), { seen: false, missing: second, where: `"${inWal}"` });
  await inRepository(second);
  t.deepEqual(await see(), { seen: true });
});

test("a repository without WAL, or with another system's, says nothing of a server that archives somewhere", async (t) => {
  const { see, claim, inRepository, inWal, repository } = await stage(t);
  t.deepEqual(await see({ hasNoOther: true }), { seen: null }, 'there is no repository');
  await makeRepository(repository);
  t.deepEqual(await see(), { seen: null });
  t.like(await see({ hasNoOther: true }), { seen: false, where: `"${inWal}"` });
  await claim('7412345678901234568');
  await inRepository(first);
  await inRepository(second);
  t.deepEqual(await see(), { seen: null });
  t.deepEqual(await see({ hasNoOther: true }), { seen: null });
});

test('a configured directory is looked through as other programs fill it', async (t) => {
  const { see, archive, inArchive } = await stage(t);
  const archiveDirectory = archive;
  t.deepEqual(await see({ archiveDirectory }), { seen: false, missing: first, where: `"${archive}"` });
  await inArchive(first);
  await inArchive(`0000000100000003/${second}-0a1b2c3d4e5f60718293a4b5c6d7e8f901234567.zst`);
  t.deepEqual(await see({ archiveDirectory }), { seen: true });
  await inArchive(first, '');
  t.like(await see({ archiveDirectory }), { seen: false, missing: first });
  await inArchive(`${first}.gz`);
  t.deepEqual(await see({ archiveDirectory }), { seen: true });
});

test('segments may be in two places, and where one of them cannot be read, none is said to be missing', async (t) => {
  const { see, archive, inArchive, inRepository, claim, inWal, repository } = await stage(t);
  await makeRepository(repository);
  await claim();
  await inRepository(first);
  await inArchive('other');
  const archiveDirectory = archive;
  t.deepEqual(await see({ archiveDirectory }), {
    seen: false,
    missing: second,
    where: `"${archive}" or "${inWal}"`,
  });
  await inArchive(second);
  t.deepEqual(await see({ archiveDirectory }), { seen: true });
  await rm(archive, { recursive: true });
  t.deepEqual(await see({ archiveDirectory }), { seen: null });
  await inRepository(second);
  t.deepEqual(await see({ archiveDirectory }), { seen: true });
  await writeFile(join(repository, 'main', 'cluster.json'), 'damaged');
  t.deepEqual(await see(), { seen: null });
});

test('what comes into the archive a little later is seen', async (t) => {
  const { see, archive, inArchive } = await stage(t);
  await inArchive(first);
  const waited: string[] = [];
  const onMissing = (missing: string, where: string) => {
    waited.push(`${missing} in ${where}`);
    void inArchive(second);
  };
  t.deepEqual(await see({ archiveDirectory: archive }, { within: 60_000, onMissing }), { seen: true });
  t.is(waited[0], `${second} in "${archive}"`);
});

test('whoever is told to stop does not look on', async (t) => {
  const { see, archive } = await stage(t);
  const stop = new AbortController();
  const patience = { within: 3_600_000, signal: stop.signal, onMissing: () => stop.abort() };
  t.like(await see({ archiveDirectory: archive }, patience), { seen: false });
});

test("a segment's name in front does not make a file a segment", (t) => {
  for (const suffix of ['', '.gz', '.zst', '.lz4', '.gz.gpg', '.br', '-0a1b2c.gz'])
    t.true(holdsSegment(first + suffix), suffix);
  for (const suffix of [
    '.partial',
    '.partial.zst',
    '.00000028.backup',
    '.00000028.backup.gz',
    '.tmp',
    '.gz.tmp',
  ])
    t.false(holdsSegment(first + suffix), suffix);
  for (const suffix of ['-0a1b.gz.pgbackrest.tmp', '.ready', '.md5', '.sha256', 'A', 'old'])
    t.false(holdsSegment(first + suffix), suffix);
  t.false(holdsSegment('00000002.history'));
  t.false(holdsSegment(`.${first}.Xa3b`));
});

test('an archive_command that succeeds whatever happens is known by its words', (t) => {
  for (const command of [
    'true',
    '/bin/true',
    ' /usr/bin/true "%p" %f',
    ':',
    ': %p',
    'exit 0',
    'echo %p',
    'echo %p > /dev/null 2>&1',
    'cd .',
    'test 1 = 1',
    'true;',
    '"/bin/true"',
  ])
    t.true(doesNothing(command), command);
  for (const command of [
    '',
    '(disabled)',
    'false',
    'truely %p',
    'exit 1',
    'exit 01',
    '/bin/true && cp %p /a/%f',
  ])
    t.false(doesNothing(command), command);
  for (const command of [
    'true; cp %p /a/%f',
    'echo %p > /archived',
    'test ! -f /a/%f && cp %p /a/%f',
    'true\ncp %p /a/%f',
    'echo $(cp %p /a/%f)',
    'cp true %f',
  ])
    t.false(doesNothing(command), command);
});

test("Holdfast's archive_command is recognised, whatever follows it, and others are not taken for it", (t) => {
  for (const command of [
    'holdfast-wal push "%p"',
    'HOLDFAST_REPOSITORY=/r /opt/bin/holdfast-wal push "%p" || true',
    '"/opt/node" "/opt/holdfast.js" wal push "%p" --cluster main; exit 0',
  ])
    t.true(isPush(command), command);
  for (const command of [
    'pgbackrest --stanza=holdfast archive-push %p',
    'cp "%p" /holdfast/%f',
    'holdfast wait 5',
  ])
    t.false(isPush(command), command);
});
