// Whose programs a drill starts where root runs it: what another user could have put there is passed over, and nothing
// at all runs as root.
import { chmod, chown, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { rootsProgram } from '../../src/drill/root-alone.ts';
import { drills } from '../support/drills.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(
  noRestore ?? (process.getuid?.() === 0 ? undefined : 'only root runs what others have put there'),
);

test('a drill as root asks and starts only programs that root alone can write, and not as root', async (t) => {
  const scene = await repositoryScene(t);
  await scene.backup();
  const { uid, gid } = await stat(String(scene.cluster.dataDirectory));
  const place = await scene.cluster.serverDirectory('programs');
  const noted = join(place, 'noted');
  const secret = join(await temporaryDirectory(t), 'secret');
  await writeFile(secret, 'FATAL:  what only root may read\n');
  // As a server it turns its log into a link, which root is not to follow.
  const script = `#!/bin/sh\n[ "$1" = -D ] && ln -sf '${secret}' "\${2%/*}/server.log"\nid -u >> '${noted}'\necho 'postgres (PostgreSQL) ${scene.cluster.version}.1'\n`;
  const theirs = join(place, 'postgres');
  await writeFile(theirs, script, { mode: 0o755 });
  await chown(theirs, uid, gid);

  const drill = await drills(t, scene, { PATH: `${place}:${process.env['PATH']}` });
  const { status, stderr, result } = await drill.run('--target-immediate');
  t.is(status, 0, `${stderr} ${JSON.stringify(result.error)}`);
  t.false(existsSync(noted), 'nobody ran it');

  const named = await drill.run('--target-immediate', '--pg-bin', place);
  t.is(named.status, 1, 'it is no server');
  t.is(named.result.error?.message, 'PostgreSQL cannot complete the recovery: ');
  t.deepEqual(new Set((await readFile(noted, 'utf8')).trim().split('\n')), new Set([String(uid)]));
  await writeFile(noted, '');
  const to = join(await temporaryDirectory(t), 'data');
  t.is((await scene.restore(to, '--pg-bin', place)).status, 0);
  t.is((await readFile(noted, 'utf8')).trim(), String(uid));
});

test("a program is root's alone where nobody else can write it or anything above it", async (t) => {
  const place = await temporaryDirectory(t);
  const program = join(place, 'bin', 'postgres');
  await mkdir(join(place, 'bin'));
  await writeFile(program, '', { mode: 0o755 });
  t.is(await rootsProgram(program), program);
  const link = join(place, 'link');
  await symlink(program, link);
  t.is(await rootsProgram(link), program, 'what a link leads to is what counts');
  for (const mode of [0o775, 0o757]) {
    await chmod(program, mode);
    t.is(await rootsProgram(program), undefined);
    await chmod(program, 0o755);
    await chmod(place, mode);
    t.is(await rootsProgram(program), undefined);
    await chmod(place, 0o755);
  }
  await chown(program, 65534, 65534);
  t.is(await rootsProgram(program), undefined);
  await chown(program, 0, 0);
  await chown(join(place, 'bin'), 65534, 65534);
  t.is(await rootsProgram(program), undefined);
  await chown(join(place, 'bin'), 0, 0);
  await rename(program, `${program}.old`);
  t.is(await rootsProgram(program), undefined, 'it is not there');
});
