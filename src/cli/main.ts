/** The program: builds the command line, runs one command, and reports its error. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { packageRoot } from '../database/statements.ts';
import { exitStatusOf } from '../errors.ts';
import { CheckFailed } from './check-failed.ts';
import { commandNames, commandOf, type CommandName } from './command-list.ts';
import { helpAfter } from './examples.ts';
import { commandFailureOf, reportFailure, withoutSecretArguments } from './failure.ts';
import { addGlobalOptions } from './options.ts';
import { tolerateClosedPipes } from './render/output.ts';

/**
 * Runs one command. Returns the exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 timed out;
 * for `holdfast check`, see check-failed.ts.
 */
export async function main(args: readonly string[]): Promise<number> {
  tolerateClosedPipes();
  const program = await buildProgram(wanted(args));
  try {
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError && error.code === 'commander.help') return exitStatusOf.usage;
    if (error instanceof CheckFailed) return await error.report(args);
    const failure = withoutSecretArguments(commandFailureOf(error), args);
    reportFailure(failure, args.includes('--json'));
    return failure.exitStatus;
  }
}

/** The commands to load: the one that comes first; none for the version; otherwise all, as for the help. */
function wanted([first]: readonly string[]): readonly CommandName[] {
  if (first === '--version') return [];
  const found = commandNames.find((name) => name === first);
  return found === undefined ? commandNames : [found];
}

/** The program with the given commands. */
export async function buildProgram(names: readonly CommandName[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
    version: string;
  };
  const program = new Command('holdfast')
    .description('PostgreSQL backups driven from SQL')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  addGlobalOptions(program);
  for (const name of names) {
    (await commandOf(name))(program);
    program.commands.at(-1)?.addHelpText('after', () => helpAfter(name));
  }
  return program;
}
