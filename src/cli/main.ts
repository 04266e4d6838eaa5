/** The program: its commands, and what it says and returns when one fails. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { packageRoot } from '../control/statements.ts';
import { exitStatusOf } from '../errors.ts';
import { addAdopt } from './adopt.ts';
import { addCancel } from './cancel.ts';
import { addCheck, CheckFailed } from './check.ts';
import { addDrill } from './drill.ts';
import { failureOf, reportFailure } from './failure.ts';
import { addExpire } from './expire.ts';
import { addInstall } from './install.ts';
import { addLabel } from './label.ts';
import { addGlobalOptions } from './options.ts';
import { tolerateClosedPipes } from './output.ts';
import { addPlace } from './place.ts';
import { addRestore } from './restore.ts';
import { addStart } from './start.ts';
import { addStatus } from './status.ts';
import { addStop } from './stop.ts';
import { addSync, addWait } from './sync.ts';
import { addWal } from './wal.ts';
import { addVerify } from './verify.ts';
import { addWorker } from './worker.ts';

/** Runs one command; the exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 timed out. */
export async function main(args: readonly string[]): Promise<number> {
  tolerateClosedPipes();
  const program = buildProgram();
  try {
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError && error.code === 'commander.help') return exitStatusOf.usage;
    const json = args.includes('--json');
    if (error instanceof CheckFailed) return await error.report(json);
    const failure = failureOf(error);
    reportFailure(failure, json);
    return failure.exitStatus;
  }
}

function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
    version: string;
  };
  const program = new Command('holdfast')
    .description('PostgreSQL backups driven from SQL')
    .version(version, '--version', 'print the version')
    .helpOption('--help', 'print this')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  addGlobalOptions(program);
  addInstall(program);
  addAdopt(program);
  addWorker(program);
  addStart(program);
  addStop(program);
  addCancel(program);
  addStatus(program);
  addLabel(program);
  addPlace(program);
  addRestore(program);
  addVerify(program);
  addExpire(program);
  addDrill(program);
  addCheck(program);
  addWal(program);
  addSync(program);
  addWait(program);
  return program;
}
