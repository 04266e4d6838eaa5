// A worker killed at any moment of a copy: what is listed is whole, what is not whole is not listed, nothing stays.
import { copyScene, noCopies, type CopyScene } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { moment } from '../support/moments.ts';
import { holdfast } from '../support/process.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

/** The backups of these requests, and nothing else. */
async function requireOnly(scene: CopyScene, complete: readonly string[]): Promise<void> {
  const isRight = (names: string[]) =>
    names.length === 2 * complete.length &&
    complete.every((id) =>
      [`Z-${id}`, `Z-${id}.meta`].every((end) => names.some((name) => name.endsWith(end))),
    );
  await eventually(
    `nothing but the backups ${complete.join(', ')} is left`,
    async () => isRight(await scene.names()),
    {
      within: 60_000,
    },
  );
}

test('killed at ten moments from the request to the end, it leaves whole backups and nothing else', async (t) => {
  t.timeout(900_000);
  const scene = await copyScene(t);
  const { admin, repository, requestCopy, startCopier } = scene;
  let worker = await startCopier();
  const began = performance.now();
  const complete = [(await scene.copy()).row.id];
  const takes = performance.now() - began;
  const parts = 10;
  const ends = new Set<string>();
  for (let part = 1; part <= parts; part += 1) {
    const id = await requestCopy();
    await moment((takes * part) / parts);
    worker.kill('SIGKILL');
    await worker.exited;
    worker = await startCopier();
    const state = await eventually(
      `request ${id} is over`,
      () =>
        admin.value<string | null>(
          `select max(state) from holdfast.backup_request where id = $1 and state in ('complete', 'failed')`,
          [id],
        ),
      { within: 300_000 },
    );
    ends.add(state);
    if (state === 'complete') complete.push(id);
    else t.is((await scene.row(id)).error_code, 'worker_lost');
    await requireOnly(scene, complete);
  }
  t.true(ends.has('failed'), 'some were killed while they copied');
  const { status, stdout } = await holdfast(['verify', '--all', '--no-record', '--repository', repository]);
  t.is(status, 0, stdout);
});

test('killed while the WAL of a stored copy is not archived yet, it is completed by the next worker', async (t) => {
  const scene = await copyScene(t);
  const worker = await scene.startCopier();
  await scene.cluster.archiving.fail();
  const id = await scene.requestCopy({ wait_for_archive: true });
  await scene.untilState(id, 'archiving', { within: 60_000 });
  worker.kill('SIGKILL');
  await worker.exited;
  await requireOnly(scene, [id]);
  await scene.startCopier();
  await scene.cluster.archiving.recover();
  const row = await scene.untilState(id, 'complete', { within: 60_000 });
  t.regex(String(row.backup_label), /^START WAL LOCATION/);
  await requireOnly(scene, [id]);
});
