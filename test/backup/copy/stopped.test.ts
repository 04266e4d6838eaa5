// Copies that are stopped at any moment: before there is a thread, in the middle, when all but the label is there.
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { noServerFiles, ownCluster } from '../../support/cluster.ts';
import { beginCopy, systemIdentifierOf } from '../../support/engine-copies.ts';
import { moment } from '../../support/moments.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { testWhen } from '../../support/test-when.ts';

const test = testWhen(noServerFiles);

const rounds = 14;
/** Milliseconds; about what a copy of an empty cluster takes. */
const longest = 250;

test('a copy is stopped at any moment, and nothing is written afterwards', async (t) => {
  const newCopy = await copyOf(t);
  const stopped = new Map<string, number[]>();
  let unfinished = 0;
  for (let round = 0; round < rounds; round += 1) {
    const { engine, output, outcome } = await newCopy();
    await moment((longest * round) / rounds);
    await engine.stop();
    t.regex(await outcome, /^(copied|the copy was stopped)$/);
    if ((await outcome) !== 'copied') unfinished += 1;
    stopped.set(output, await sizes(output));
  }
  await requireUnchanged(t, stopped, newCopy);
  t.true(unfinished > rounds / 4, String(unfinished));
});

test('a copy is stopped when it waits for its label, and while it writes it', async (t) => {
  const newCopy = await copyOf(t);
  const waiting = await newCopy();
  await waiting.engine.copied;
  await waiting.engine.stop();
  const finishing = await newCopy();
  await finishing.engine.copied;
  const label = Buffer.from('START WAL LOCATION\n');
  const end = finishing.engine
    .finish({ label, tablespaceMap: null, timeline: 1, stopLsn: '0/2000138' })
    .then(() => 'finished')
    .catch(({ message }: Error) => message);
  await finishing.engine.stop();
  t.regex(await end, /^(finished|the copy was stopped)$/);
  const left = await sizes(finishing.output);
  await requireUnchanged(t, new Map([[finishing.output, left]]), newCopy);
});

test('a copy that has failed reports no progress any more', async (t) => {
  const cluster = await ownCluster(t);
  const options = { systemIdentifier: await systemIdentifierOf(cluster), jobs: 1 };
  const output = await temporaryDirectory(t);
  await mkdir(join(output, 'base.tar.zst')); // where the tar would be
  let [failed, others] = [0, 0];
  const { engine } = await beginCopy(t, cluster, { ...options, output, onProgress: () => (failed += 1) });
  await t.throwsAsync(engine.copied, { code: 'repository_unwritable' });
  const before = failed;
  // as long as two periods of another copy's reports
  const waiting = Promise.withResolvers<void>();
  await beginCopy(t, cluster, {
    ...options,
    rateLimit: 100_000,
    onProgress: () => (others += 1) > 2 && waiting.resolve(),
  });
  await waiting.promise;
  t.is(failed, before);
});

/** Of one cluster, as often as it is called. */
async function copyOf(t: ExecutionContext) {
  const cluster = await ownCluster(t);
  const systemIdentifier = await systemIdentifierOf(cluster);
  return async () => {
    const { engine, output } = await beginCopy(t, cluster, { systemIdentifier, jobs: 3 });
    const outcome = engine.copied.then(
      () => 'copied',
      ({ message }: Error) => message,
    );
    return { engine, output, outcome };
  };
}

/** Once another copy has been made, which is as long as any of these would have gone on. */
async function requireUnchanged(
  t: ExecutionContext,
  left: ReadonlyMap<string, number[]>,
  newCopy: () => Promise<{ outcome: Promise<string> }>,
): Promise<void> {
  t.is(await (await newCopy()).outcome, 'copied');
  for (const [output, before] of left) t.deepEqual(await sizes(output), before);
}

async function sizes(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
}
