import type { Command } from 'commander';
import { withConnection } from '../control/client.ts';
import { install, type Installation } from '../control/install.ts';
import { configFrom, controlFrom, type GlobalOptions } from './options.ts';
import { printJson, printLines } from './output.ts';

export function addInstall(program: Command): void {
  program
    .command('install')
    .description('install or upgrade the schema in the control database')
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const control = controlFrom(configFrom(options), 'install');
      const done = await withConnection(control, (db) => install(db, control.schema));
      if (options.json === true) await printJson({ schema: control.schema, ...done });
      else await printLines(described(control.schema, done));
    });
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
