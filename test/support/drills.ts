// Restore drills of a scene's backups, from the command line or by its worker, each into a directory of the test's own.
import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningProcess, Teardown } from '../../dev/harness/children.ts';
import { ownCluster } from './cluster.ts';
import { holdfast, startHoldfast } from './process.ts';
import { repositoryScene, type RepositoryScene } from './repository-scene.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface DrillCheck {
  check: string;
  database?: string;
  ok: boolean;
  skipped?: boolean;
  detail: string;
  problems: string[];
}

export interface DrillResult {
  ok: boolean;
  backup: string | null;
  target: string;
  server_version: string | null;
  recovered_to: string | null;
  last_transaction_at: string | null;
  restore_seconds: number | null;
  recovery_seconds: number | null;
  bytes: number | null;
  checks: DrillCheck[];
  error: { code: string; message: string; hint?: string } | null;
  drill: number | null;
}

export interface Drills {
  /** Where they restore to. */
  directory: string;
  /** Runs one to its end. */
  run: (...args: string[]) => Promise<{ status: number | null; stderr: string; result: DrillResult }>;
  /** Starts one, which says what it does. */
  start: (...args: string[]) => Promise<RunningProcess>;
  /** What is there now. */
  left: () => Promise<string[]>;
}

export async function drills(
  t: Teardown,
  scene: RepositoryScene,
  env: NodeJS.ProcessEnv = {},
): Promise<Drills> {
  const directory = await drillDirectoryOf(t);
  const command = ['drill', '--repository', scene.repository, '--directory', directory];
  const options = { url: scene.workerLogin.url, env };
  return {
    directory,
    async run(...args) {
      const { status, stdout, stderr } = await holdfast([...command, '--json', ...args], options);
      if (stdout === '') throw new Error(`drill ended with ${status}: ${stderr}`);
      return { status, stderr, result: JSON.parse(stdout) as DrillResult };
    },
    start: (...args) => startHoldfast(t, [...command, ...args], options),
    left: () => readdir(directory),
  };
}

/** Ours, and the server's user may enter it. */
export async function drillDirectoryOf(t: Teardown): Promise<string> {
  const directory = await temporaryDirectory(t);
  await chmod(directory, 0o755);
  return directory;
}

export interface DrillingScene extends RepositoryScene {
  drillDirectory: string;
  /** For another worker of its kind. */
  drillEnv: NodeJS.ProcessEnv;
  /** From now on a drill stops at its assertion until it is let go. */
  holdDrills: () => Promise<void>;
  letDrillsGo: () => Promise<void>;
}

/** Its worker does drills, and one assertion holds in each of them. */
export async function drillingScene(t: Teardown): Promise<DrillingScene> {
  const cluster = await ownCluster(t, { installed: true });
  const drillDirectory = await drillDirectoryOf(t);
  const place = await cluster.serverDirectory('assertions');
  const [file, hold] = [join(place, 'assertions.sql'), join(place, 'hold')];
  const env = {
    HOLDFAST_CLUSTER_MAIN_DRILL_DIRECTORY: drillDirectory,
    HOLDFAST_CLUSTER_MAIN_DRILL_ASSERTIONS: file,
  };
  const scene = await repositoryScene(t, { cluster, env });
  await scene.admin.query(`
    create function public.is_held() returns boolean language sql security definer
    as $$ select (pg_stat_file('${hold}', true)).size is not null $$`);
  const database = await scene.admin.value<string>('select current_database()::text');
  await writeFile(
    file,
    `-- name: nobody holds it
-- database: ${database}
with recursive waiting (n) as (
  select 1 union all select n + 1 from waiting where public.is_held() and pg_sleep(0.05) is not null)
select max(n) > 0 from waiting;
`,
  );
  return {
    ...scene,
    drillDirectory,
    drillEnv: { ...env, HOLDFAST_REPOSITORY: scene.repository },
    holdDrills: () => writeFile(hold, ''),
    letDrillsGo: () => rm(hold),
  };
}

/** A file of assertions: by name, what is to be true in which database. */
export async function assertions(
  t: Teardown,
  database: string,
  all: Record<string, string>,
): Promise<string> {
  const file = join(await temporaryDirectory(t), 'assertions.sql');
  const text = Object.entries(all).map(
    ([name, sql]) => `-- name: ${name}\n-- database: ${database}\n${sql};\n`,
  );
  await writeFile(file, text.join('\n'));
  return file;
}

/** The problems of all checks of that name, or of all. */
export function problemsOf({ checks }: DrillResult, name = ''): string[] {
  return checks.filter(({ check }) => check.startsWith(name)).flatMap(({ problems }) => problems);
}

/** Where a drill is under way or was left behind. */
export function dataIn(directory: string, name: string): string {
  return join(directory, name, 'data');
}
