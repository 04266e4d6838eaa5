/** Options that every command has, and parsers of those that several have. */
import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { loadConfig, type Config } from '../config/config.ts';
import { durationExamples, parseDuration } from '../config/duration.ts';
import type { ConnectOptions } from '../database/connection.ts';
import { HoldfastError } from '../errors.ts';
import { reportNotice } from './failure.ts';

export interface GlobalOptions {
  config?: string;
  databaseUrl?: string;
  schema?: string;
  json?: boolean;
}

export function addGlobalOptions(program: Command): Command {
  return program
    .option('--config <file>', 'the configuration file (default: HOLDFAST_CONFIG, then /etc/holdfast.toml)')
    .option(
      '--database-url <url>',
      "the control database (default: DATABASE_URL, then libpq's variables and .pgpass)",
    )
    .option('--schema <name>', 'the schema of Holdfast (default: holdfast)')
    .option('--json', 'print JSON, errors too');
}

const whichOne = 'default: HOLDFAST_CLUSTER, then the only cluster configured, then main';

/** For a command that is about one cluster; ofOneCluster() says which. */
export function clusterOption(what: string): [flags: string, description: string] {
  return ['--cluster <name>', `${what} (${whichOne})`];
}

export function ofOneCluster<Of extends GlobalOptions & { cluster?: string }>(
  options: Of,
): Of & { cluster: string } {
  return { ...options, cluster: configFrom(options).whichCluster(options.cluster) };
}

export function configFrom({ config, databaseUrl, schema }: GlobalOptions): Config {
  return loadConfig({ file: config, env: process.env, databaseUrl, schema });
}

/** How to reach the control database; the server's warnings go to standard error. */
export function controlFrom({ control }: Config, command: string): ConnectOptions & { schema: string } {
  return {
    url: control.url,
    schema: control.schema,
    applicationName: `holdfast ${command}`,
    onNotice: reportNotice,
  };
}

export function idOption(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError("it is not a backup request's id, which is a number");
}

/** Milliseconds. */
export function durationOption(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(`it ${(error as RangeError).message}; accepted: ${durationExamples}`);
  }
}

export function positiveDurationOption(text: string): number {
  const milliseconds = durationOption(text);
  if (milliseconds > 0) return milliseconds;
  throw new InvalidArgumentError('it has to be longer than 0');
}

/** How many threads. */
export function addJobsOption(command: Command): Command {
  return command.addOption(
    new Option('--jobs <number>', 'threads')
      .argParser(jobsOption)
      .default(availableParallelism(), 'one for each processor'),
  );
}

function jobsOption(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 64) return number;
  throw new InvalidArgumentError('it is not a number from 1 to 64');
}

/** Bytes, as `bytes()` shows them: 1 kB is 1024. */
export function sizeOption(text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kMGT]?)i?B?$/i.exec(text) ?? [];
  const power = ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase());
  const size = Math.round(Number(amount) * 1024 ** power);
  if (amount !== undefined && Number.isSafeInteger(size)) return size;
  throw new InvalidArgumentError('it is not a size, such as 500kB, 50MB or 1GB');
}

export function jsonOption(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(`it is not JSON: ${(error as Error).message}`);
  }
}

/** A backup is named either by its id or by its label. */
export function exactlyOne(label: string | undefined, requestId: number | undefined): void {
  if ((label === undefined) !== (requestId === undefined)) return;
  throw new HoldfastError('usage', 'give either the id or the label of a backup request', {
    code: 'which_backup',
    hint: 'see both with "holdfast status"',
  });
}
