/** `holdfast worker`: runs a worker until the worker has drained. */
import type { Command } from 'commander';
import { configurationHelp } from '../../config/config-help.ts';
import { createLog } from '../../log.ts';
import { runWorker } from '../../worker/run-worker.ts';
import { configFrom, type GlobalOptions } from '../options.ts';

/** Adds `holdfast worker` to the program. */
export function addWorker(program: Command): void {
  program
    .command('worker')
    .description('run a worker, until it is told to stop (SIGTERM) and what it holds has ended')
    .addHelpText('after', () => `\n${configurationHelp()}`)
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const config = configFrom(options);
      const json = options.json === true || config.log.format === 'json';
      await runWorker(config, createLog({ level: config.log.level, json }));
    });
}
