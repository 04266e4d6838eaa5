/** `holdfast install`: installs or upgrades the schema, and creates the repository of each cluster. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { standing } from '../../identity/repository-use.ts';
import type { Config } from '../../config/config.ts';
import { withConnection } from '../../control/control-client.ts';
import type { Connection } from '../../database/connection.ts';
import { install, type Installation } from '../../control/install-schema.ts';
import { HoldfastError } from '../../errors.ts';
import { createRepository } from '../../repository/repository-owner.ts';
import { configFrom, controlFrom, type GlobalOptions } from '../options.ts';
import { printJson, printLines } from '../render/output.ts';

interface Options extends GlobalOptions {
  repository?: string;
}

/** Adds `holdfast install` to the program. */
export function addInstall(program: Command): void {
  program
    .command('install')
    .description('install or upgrade the schema in the control database')
    .option(
      '--repository <directory>',
      'make it the repository of the clusters (default: HOLDFAST_REPOSITORY, [worker] repository; none)',
    )
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const config = configFrom(options);
      const control = controlFrom(config, 'install');
      const { done, repositories } = await withConnection(control, async (db) => ({
        done: await install(db, control.schema),
        repositories: await makeRepositories(db, options.repository, config),
      }));
      if (options.json === true) await printJson({ schema: control.schema, ...done, repositories });
      else {
        const made = repositories.map((directory) => `"${directory}" is a repository now`);
        await printLines([...described(control.schema, done), ...made]);
      }
    });
}

/**
 * Creates the repositories, if a repository is configured. Returns the new directories. A repository that
 * cannot be created is a warning on standard error.
 */
async function makeRepositories(
  db: Connection,
  given: string | undefined,
  { worker, clusters }: Config,
): Promise<string[]> {
  if (given === undefined && !worker.repositoryIsNamed) return [];
  const made: string[] = [];
  for (const { name } of clusters) {
    const directory = join(resolve(given ?? worker.repository), name);
    try {
      if (
        (await standing({ cluster: name, clusterDirectory: directory, control: (work) => work(db) })) ===
        'ours'
      )
        continue;
      if ((await createRepository(directory)).isNew) made.push(directory);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const hint =
        error.code === 'repository_unwritable'
          ? 'type as the user that archives: holdfast wal init --repository DIR'
          : error.hint;
      process.stderr.write(`holdfast: warning: ${error.message}\n  hint: ${hint}\n`);
    }
  }
  return made;
}

function described(schema: string, { before, after, applied, chores }: Installation): string[] {
  const queue =
    chores === null
      ? 'chores do not run here: their queue needs PostgreSQL 13 or newer; everything else works'
      : `the queue of chores is in schema "${chores}"`;
  if (applied.length === 0) {
    return [
      `schema "${schema}" has version ${after} already; its functions and views are those of this release`,
      queue,
    ];
  }
  const verb = before === 0 ? `installed in version ${after}` : `upgraded from version ${before} to ${after}`;
  return [`schema "${schema}" is ${verb}:`, ...applied.map((name) => `  ${name}`), queue];
}
