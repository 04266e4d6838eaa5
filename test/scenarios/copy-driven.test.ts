// What a requester may ask of a copy, and what he sees of it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyScene, noCopies } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast, startHoldfast } from '../support/process.ts';
import { cancel } from '../support/requests.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

test('"holdfast status --watch" shows a bar, what there is to copy, and how fast it goes', async (t) => {
  const { client, requestCopy, startCopier, untilState } = await copyScene(t);
  await startCopier();
  const id = await requestCopy({ rate_limit: 500_000, label: 'watched' });
  await untilState(id, 'running');
  const env = { COLUMNS: '250' };
  const shown = /watched .* copy \d.* \[#+-+\] \d+ % of \d+(\.\d)? MB, \d+(\.\d)? [kM]?B\/s/;
  await eventually('it has come some way', async () =>
    shown.test((await holdfast(['status'], { url: client.url, env })).stdout),
  );
  // Into a pipe it prints when something has happened: at the beginning in any case.
  const watching = await startHoldfast(t, ['status', '--watch', '200ms'], { url: client.url, env });
  await watching.untilLine(shown);
  await cancel(client, id);
  watching.kill('SIGINT');
  t.is((await watching.exited).status, 0);
});

test('"holdfast start --method copy --wait" returns once it is complete, with what was asked for', async (t) => {
  const { client, startCopier, admin } = await copyScene(t);
  await startCopier();
  const asked = ['--method', 'copy', '--wait', '--fast', '--rate-limit', '500MB', '--compress-level', '5'];
  const { status, stdout, stderr } = await holdfast(['start', 'nightly', ...asked, '--json'], {
    url: client.url,
  });
  t.is(status, 0, stderr);
  const answer = JSON.parse(stdout) as { id: number; state: string };
  t.is(answer.state, 'complete');
  t.like((await admin.query('select * from holdfast.backup_request where id = $1', [answer.id]))[0], {
    state: 'complete',
    rate_limit: String(500 << 20),
    compress_level: 5,
  });
});

test('"holdfast start --method copy --wait" that times out cancels the copy, and exits with 3', async (t) => {
  const { client, startCopier, untilState, names } = await copyScene(t);
  await startCopier();
  const slow = ['--method', 'copy', '--wait', '--fast', '--rate-limit', '100kB', '--timeout', '5s'];
  const { status, stderr } = await holdfast(['start', 'slow', ...slow], { url: client.url });
  t.is(status, 3, stderr);
  const id = await client.value<string>(`select id from holdfast.backup_request where label = 'slow'`);
  await untilState(id, 'cancelled');
  t.deepEqual(
    (await names()).filter((name) => !name.includes('.')),
    [],
  );
});

test('no more than rate_limit bytes a second are read', async (t) => {
  const { copy, startCopier } = await copyScene(t);
  await startCopier();
  const limit = 10_000_000;
  const { row, description } = await copy({ rate_limit: limit });
  const { started_at: began, done_at: ended } = row as unknown as { started_at: Date; done_at: Date };
  const seconds = (ended.getTime() - began.getTime()) / 1000;
  // A fifth of a second's worth and one frame may come at once.
  const allowed = limit * (seconds + 0.2) + 2 ** 21;
  t.true(description.bytes < allowed, `${description.bytes} bytes in ${seconds} seconds`);
});

test('compress_level is the level of zstd, 1 to 19, and the configured one where none is given', async (t) => {
  const { client, copy, cluster, requestCopy, startCopier } = await copyScene(t);
  const text = Array.from({ length: 100_000 }, (_, n) => `row ${n} of ${(n * 7919) % 10_007}\n`).join('');
  await writeFile(join(String(cluster.dataDirectory), 'text'), text);
  await startCopier({ HOLDFAST_COMPRESS_LEVEL: '3' });
  const stored = async (columns: Record<string, unknown>) => {
    const { description } = await copy(columns);
    return { level: description.compressLevel, bytes: description.storedBytes };
  };
  const fast = await stored({ compress_level: 1 });
  const configured = await stored({});
  const small = await stored({ compress_level: 12 });
  t.deepEqual([fast.level, configured.level, small.level], [1, 3, 12]);
  t.true(
    small.bytes < configured.bytes && configured.bytes < fast.bytes,
    JSON.stringify([fast, configured, small]),
  );
  for (const compress_level of [0, 20])
    await t.throwsAsync(requestCopy({ compress_level }), { message: /compress_level/ });
  await t.throwsAsync(requestCopy({ rate_limit: 1 }), { message: /rate_limit/ });
  t.is(await client.value('select 1'), 1);
});
