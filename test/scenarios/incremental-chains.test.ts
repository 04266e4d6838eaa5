// Chains as people see them: schedules that make them, status and lists that show them, checks that say when one is
// broken, and a destination off-site that has no link without its parent.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { BackupChains, linkName } from '../../src/repository/backup-chain.ts';
import { readCatalog } from '../../src/repository/catalog.ts';
import { noCopies } from '../support/copies.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { insertSchedule } from '../support/schedules.ts';
import { newSender, syncCommand } from '../support/sync-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

const summarizing = (t: ExecutionContext) => repositoryScene(t, { settings: { summarize_wal: 'on' } });

test('a schedule asks for incremental copies, and for a full one as often as full_every says', async (t) => {
  const it = await summarizing(t);
  const { admin } = it;
  const schedule = { method: 'copy', incremental: true, overlap: 'wait', full_every: '1 hour' };
  await insertSchedule(admin, '* * * * * *', schedule);
  await eventuallyRow(
    admin,
    `select from holdfast.backup_request where state = 'complete' and parent is not null having count(*) >= 2`,
    [],
    { within: 300_000 },
  );
  const asked = `select count(*)::int from holdfast.backup_request r where not incremental and requested_at > `;
  const complete = `(select min(finished_at) from holdfast.backup_request where state = 'complete' and parent is null)`;
  t.is(await admin.value(asked + complete), 0, 'no full one once one is complete');
  const [change] = await admin.query<{ at: string }>(
    `update holdfast.backup_schedule set full_every = '1 second' returning clock_timestamp()::text as at`,
  );
  await eventuallyRow(
    admin,
    `select from holdfast.backup_request where state = 'complete' and not incremental and requested_at > $1`,
    [change?.at],
    { within: 300_000 },
  );
  await admin.query('update holdfast.backup_schedule set enabled = false');
  t.deepEqual(
    await admin.query(
      `select r.id, r.state, r.warnings, r.parent, p.state as parent_state
       from holdfast.backup_request r left join holdfast.backup_request p on p.id = r.parent
       where r.state = 'failed' or p.state <> 'complete'
         -- The one before may wait for its WAL still, and is passed over then.
         or array_to_string(r.warnings, '') !~ '^(the newest copy is not the parent: .* its request is archiving)?$'`,
    ),
    [],
  );
});

test('status, the list and check show chains as a tree, what breaks one, and what is lost with it', async (t) => {
  const it = await summarizing(t);
  const [full, first, second] = [
    await it.backup(),
    await it.backup({ incremental: true }),
    await it.backup({ incremental: true }),
  ];
  const names = [full, first, second].map(linkName);
  const url = it.client.url;
  const { stdout: shown } = await holdfast(['status'], { url });
  t.regex(
    shown,
    /Chains of copies\n +COPY .*\n +1 +main .* everything .*\n +└ 2 .* changes since 1 .*\n +└ 3 .* changes since 2 /,
  );
  const status = JSON.parse((await holdfast(['status', '--json'], { url })).stdout) as {
    chains: object[];
    finished: object[];
  };
  t.like(status.chains[2], { id: 3, parent: 2, chain: [1, 2, 3], broken_link: null, problem: null });
  t.like(status.finished[0], { id: 3, parent: 2, chain: [1, 2, 3] });
  t.like(JSON.parse((await holdfast(['status', '3', '--json'], { url })).stdout), {
    parent: 2,
    chain: [1, 2, 3],
  });
  t.regex((await holdfast(['status', '3'], { url })).stdout, /chain +1 > 2 > 3\n/);

  const list = ['restore', '--list', '--repository', it.repository];
  const tree = new RegExp(`1 +${names[0]} .*\\n *2 +└ ${names[1]} .*\\n *3 +└ ${names[2]} `);
  t.regex((await holdfast(list)).stdout, tree);
  const to = join(it.repository, '..', 'nowhere');
  const planned = await holdfast(['restore', '3', '--dry-run', '--to', to, '--repository', it.repository]);
  t.regex(planned.stdout, /files, up to [\d.]+ MB, from a chain of 3 backups\n/, planned.stderr);
  const listed = async () => JSON.parse((await holdfast([...list, '--json'])).stdout) as object[];
  t.like((await listed())[2], { backup: names[2], parent: names[1], chain: names, chain_problem: null });

  const aside = join(it.repository, 'aside');
  for (const suffix of ['', '.meta']) await rename(first.directory + suffix, aside + suffix);
  await eventually('the worker misses it', () =>
    it.admin.value<boolean>('select count(*) = 1 from holdfast.broken_chain'),
  );
  const { stdout: said } = await holdfast(['check'], { url });
  t.regex(
    said,
    /cluster main: backup 2 is complete .* is not in the repository .*, and without it the incremental copy 3 cannot be restored;/,
  );
  t.deepEqual(await it.admin.query('select request_id, link, problem from holdfast.broken_chain'), [
    { request_id: '3', link: '2', problem: 'is not in the repository' },
  ]);
  t.regex((await holdfast(['status'], { url })).stdout, / 3 .*broken at 2, which is not in the repository/);
  t.like((await listed())[1], {
    backup: names[2],
    chain: [names[2]],
    chain_problem: `backup ${names[2]} cannot be restored: its chain is broken at backup ${names[1]}, which is not in the repository`,
  });

  await it.admin.query(`select holdfast.forget_copy(2, 'the disk burnt')`);
  const critical =
    /backup 3 cannot be restored: its chain is broken at backup 2, which has expired: take a full copy with "holdfast start --method copy"/;
  t.regex((await holdfast(['check'], { url })).stdout, critical);
  await it.backup();
  t.regex(
    (await holdfast(['check'], { url })).stdout,
    /backup 3 cannot be restored: its chain is broken at backup 2, which has expired\n/,
  );
});

test('a real chain is sent off-site with the parent before its child, and a new link by one run', async (t) => {
  const it = await summarizing(t);
  const sender = await newSender(t);
  const env = { HOLDFAST_REPOSITORY: it.repository, ...syncCommand(sender.command) };
  const sync = async () => {
    const { status, stderr } = await holdfast(['sync'], { env });
    t.is(status, 0, stderr);
    const catalog = await readCatalog(sender.destination);
    const chains = new BackupChains(catalog);
    for (const backup of catalog.backups) chains.require(backup);
    return catalog.backups.map(linkName);
  };
  const links = [
    await it.backup(),
    await it.backup({ incremental: true }),
    await it.backup({ incremental: true }),
  ];
  const names = links.map(linkName);
  t.deepEqual(await sync(), names);
  const started = names.map((name) => name.slice(0, name.indexOf('-')));
  const sent = async () => [...new Set((await sender.runs()).map(({ backup }) => backup))];
  t.deepEqual(await sent(), started);
  const next = await it.backup({ incremental: true });
  t.deepEqual(await sync(), [...names, linkName(next)]);
  t.is((await sent()).length, 4);
});
