// The second act: Holdfast archives the WAL and copies the files itself; after a mistake, the second before it is
// restored beside the server, which runs on.
import { join } from 'node:path';
import { compileCache } from '../harness/compile-cache.ts';
import { eventually } from '../harness/eventually.ts';
import { createCluster, type EmbeddedCluster } from '../embedded/cluster.ts';
import { asServerUser, serverIdentity } from '../embedded/server-user.ts';
import { makeMistake, type Mistake } from './accident.ts';
import { openBank, startLoad, type Load } from './bank.ts';
import { sizeOf } from './copy.ts';
import { holdfast, install, startWorker, type Worker } from './holdfast.ts';
import { restoreSecondBefore, restoreWithMistake, type Scene } from './point-in-time.ts';
import { packageIn, reachableProgram, root } from './program.ts';
import type { Stage } from './stage.ts';

export interface SecondAct {
  /** A line each. */
  proofs: string[];
  /** What is there at its end, for who plays on. */
  scene: Scene;
  worker: Worker;
}

/** A server with its repository and the bank, set up while something else plays. */
export interface Prepared {
  scene: Scene;
  /** By `holdfast wal init`. */
  said: string;
  settings: Record<string, string>[];
}

export async function secondAct(stage: Stage, prepared: Prepared): Promise<SecondAct> {
  const scene = showServer(stage, prepared);
  const worker = await installHoldfast(stage, scene);
  const load = await startLoad(stage.tell, scene.server.url());

  const backup = await requestCopy(stage, scene, load);
  await verify(stage, backup, scene);
  const mistake = await makeMistake(stage, scene.server, load);
  await archiveAll(stage, scene.server, load, mistake);
  const proofs = [
    ...(await restoreWithMistake(stage, scene, mistake)),
    ...(await restoreSecondBefore(stage, scene, mistake)),
  ];
  return { proofs, scene, worker };
}

export async function prepareServer(stage: Stage): Promise<Prepared> {
  const server = await createCluster({ settings: { archive_command: 'holdfast-wal push "%p"' } });
  stage.onEnd(() => server.remove());
  const at = (name: string) => join(server.directory, name);
  for (const name of ['second-disk', 'repository', 'labels', 'cache']) await asServerUser.mkdir(at(name));
  const home = await reachableProgram(stage, at('holdfast'));
  const cache = home === root ? compileCache() : at('cache');
  const env = { HOLDFAST_REPOSITORY: at('repository'), NODE_COMPILE_CACHE: cache };
  const use = { home, as: serverIdentity(), env: { ...env, HOLDFAST_LABELS: at('labels') } };
  const said = await holdfast(stage, ['wal', 'init'], use);
  await server.start({ ...env, PATH: packageIn(home).path });
  const dba = await stage.connect(server.url());
  const settings = await dba.query<Record<string, string>>(
    `select current_setting('archive_mode') as archive_mode, current_setting('archive_command') as archive_command`,
  );
  await openBank(dba, at('second-disk'));
  await dba.close();
  return { scene: { server, use }, said, settings };
}

function showServer({ tell }: Stage, { scene, said, settings }: Prepared): Scene {
  tell.step("A server that archives its WAL into Holdfast's repository, set up meanwhile");
  tell.command('holdfast wal init');
  tell.say(said);
  tell.say(`In the server's environment: HOLDFAST_REPOSITORY=${scene.use.env['HOLDFAST_REPOSITORY']}`);
  tell.rows(settings);
  return scene;
}

async function installHoldfast(stage: Stage, { server, use }: Scene): Promise<Worker> {
  stage.tell.step('Holdfast is installed as before; the worker runs on the same host, as the same user');
  await install(stage, server);
  stage.tell.command('holdfast worker &');
  return startWorker(stage, server, use);
}

async function requestCopy(stage: Stage, { server }: Scene, load: Load): Promise<number> {
  const { tell } = stage;
  const tool = await stage.connect(server.url({ user: 'backup_tool' }));
  tell.step('A row, and nothing else: Holdfast copies the files itself, while they change');
  const before = load.transfers;
  // Slow enough to be looked at.
  const [request] = await stage.query<{ id: number }>(
    tool,
    'INSERT INTO holdfast.backup_request (label, method, fast, rate_limit)\n' +
      "  VALUES ('with-wal', 'copy', true, 30000000) RETURNING id",
  );
  const id = Number(request?.id);
  const progress = `SELECT stage, pg_size_pretty(bytes_done) AS done, pg_size_pretty(bytes_expected) AS expected,
  pg_size_pretty(bytes_per_second) AS per_second FROM holdfast.backup_status WHERE id = ${id}`;
  tell.sql('backup_tool', `${progress} \\watch 0.2`);
  let shown: string | null | undefined;
  await stage.reach(tool, id, 'complete', async () => {
    const rows = await tool.query<{ done: string | null }>(progress);
    if (rows[0]?.done && rows[0].done !== shown) tell.rows(rows);
    shown = rows[0]?.done;
  });
  await stage.query(tool, `SELECT state, stop_lsn, stop_wal FROM holdfast.backup_request WHERE id = ${id}`);
  tell.say(`Meanwhile ${load.transfers - before} transfers were committed`);
  return id;
}

async function verify(stage: Stage, id: number, { use }: Scene): Promise<void> {
  stage.tell.command(`holdfast verify ${id}`);
  stage.tell.say(await holdfast(stage, ['verify', String(id)], use));
  stage.tell.say(`The repository has ${await sizeOf(String(use.env['HOLDFAST_REPOSITORY']))}`);
}

/** What was written last is in a segment that is not full yet. */
async function archiveAll(
  stage: Stage,
  server: EmbeddedCluster,
  load: Load,
  { transfers }: Mistake,
): Promise<void> {
  await load.more(300);
  await load.stop();
  const { tell } = stage;
  tell.say(`It is noticed ${load.transfers - transfers} transfers later. The server runs on`);
  const dba = await stage.connect(server.url());
  const text = 'SELECT pg_walfile_name(pg_switch_wal()) AS last';
  tell.sql('dba', `${text};   -- archive_timeout does it by itself`);
  const rows = await dba.query<{ last: string }>(text);
  tell.rows(rows);
  await eventually('the last WAL is archived', () =>
    dba.value(`select last_archived_wal >= '${rows[0]?.last}' from pg_stat_archiver`),
  );
  await dba.close();
}
