/**
 * `holdfast wal push`, `fetch` and `init`, for the help and for callers who put options before the command.
 * In all other cases bin/wal.js runs `push` and `fetch` without loading commander.
 */
import type { Command } from 'commander';
import { walFetch as fetch } from '../wal/wal-fetch.ts';
import type { GlobalOptions } from '../options.ts';
import { walInit as init } from '../wal/wal-init.ts';
import { walPush as push } from '../wal/wal-push.ts';

interface Options extends GlobalOptions {
  repository?: string;
  cluster?: string;
  dataDirectory?: string;
}

/** The only one of the commands without operands. */
const initName = 'init';

/** Adds `holdfast wal` and its commands to the program. */
export function addWalCommand(program: Command): void {
  const wal = program
    .command('wal')
    .description("archive WAL and fetch it, as PostgreSQL's archive_command and restore_command")
    .helpCommand(false);
  describe(wal.command('push <file>'), 'archive a file: archive_command = \'holdfast wal push "%p"\'', push);
  describe(
    wal.command('fetch <name> <destination>'),
    'fetch a file: restore_command = \'holdfast wal fetch "%f" "%p"\'; 1: the archive has none, 200: anything else',
    fetch,
  );
  describe(
    wal.command(initName),
    'make a directory the repository of a cluster, where nobody has installed or copied anything yet',
    init,
  ).option(
    '--data-directory <directory>',
    "of the cluster's server: it archives to this repository from now on, even if it had another one there before",
  );
}

function describe(
  command: Command,
  description: string,
  main: (args: readonly string[]) => Promise<number>,
): Command {
  return command
    .description(description)
    .option(
      '--repository <directory>',
      'the repository (default: HOLDFAST_REPOSITORY, then the configuration)',
    )
    .option(
      '--cluster <name>',
      'whose WAL it is (default: HOLDFAST_CLUSTER, then the only one configured, or main)',
    )
    .action(async () => {
      const { config, repository, cluster, dataDirectory, json } = command.optsWithGlobals<Options>();
      const given = {
        '--config': config,
        '--repository': repository,
        '--cluster': cluster,
        '--data-directory': dataDirectory,
      };
      const flags = Object.entries(given).flatMap(([flag, value]) =>
        value === undefined ? [] : [flag, value],
      );
      process.exitCode = await main([...command.args, ...flags, ...(json === true ? ['--json'] : [])]);
    });
}
