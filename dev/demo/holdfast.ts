// Holdfast as any user sets it up and runs it: the program, two roles, a worker.
import type { ProcessOptions, RunningProcess } from '../harness/children.ts';
import type { EmbeddedCluster } from '../embedded/cluster.ts';
import type { Identity } from '../embedded/run.ts';
import { packageIn, root } from './program.ts';
import type { Stage } from './stage.ts';

/** How the program is run. */
export interface Use {
  /** DATABASE_URL and the like. */
  env: NodeJS.ProcessEnv;
  /** Where it is; default: this checkout. */
  home?: string;
  /** Whom it runs as; default: ourselves. */
  as?: Identity | undefined;
}

/** Runs one command to its end. @throws Error with what it said, unless it exits with 0 */
export function holdfast(stage: Stage, args: string[], use: Use): Promise<string> {
  return stage.run(...invocation(args, use));
}

/** Starts one, whatever it will end with. */
export function startHoldfast(stage: Stage, args: string[], use: Use): Promise<RunningProcess> {
  return stage.start(...invocation(args, use));
}

/** Installs it, and creates the roles that README tells users to create. */
export async function install(stage: Stage, server: EmbeddedCluster): Promise<void> {
  const { tell } = stage;
  tell.command('holdfast install');
  tell.say(await holdfast(stage, ['install'], { env: { DATABASE_URL: server.url() } }));
  const dba = await stage.connect(server.url());
  for (const statement of [
    'create role holdfast_agent login;\n' +
      'grant holdfast_worker, pg_monitor to holdfast_agent;\n' +
      'grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean) to holdfast_agent',
    'create role backup_tool login;\ngrant holdfast_requester to backup_tool',
  ]) {
    tell.sql('dba', `${statement};`);
    await dba.query(statement);
  }
  await dba.close();
}

export interface Worker {
  /** Lets it finish what it holds. */
  stop(): Promise<void>;
}

export async function startWorker(stage: Stage, server: EmbeddedCluster, use: Use): Promise<Worker> {
  const url = server.url({ user: 'holdfast_agent' });
  const env = { ...use.env, DATABASE_URL: url };
  const worker = await stage.start(...invocation(['worker'], { ...use, env }));
  stage.tell.say(await worker.untilLine(/\bready\b/));
  return {
    async stop() {
      worker.kill('SIGTERM');
      const { status, signal } = await worker.exited;
      if (status !== 0) throw new Error(`the worker ended with ${signal ?? status}: ${worker.output()}`);
    },
  };
}

function invocation(args: string[], { env, home = root, as }: Use): [string, string[], ProcessOptions] {
  const { node, program } = packageIn(home);
  const options = { cwd: '/', env: { ...withoutOwnSettings(), ...env }, ...(as && { as }) };
  return [node, [program, ...args], options];
}

/** Nobody's own databases and settings. */
function withoutOwnSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PG|HOLDFAST_|DATABASE_URL$)/.test(name)),
  );
}
