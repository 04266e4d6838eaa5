/**
 * The options that all commands have, and the parsers of options that several commands have. A parser throws
 * InvalidArgumentError.
 */
import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { loadConfig, type Config } from '../config/config.ts';
import { durationExamples, parseDuration } from '../config/duration.ts';
import type { ConnectOptions } from '../database/connection.ts';
import { reportNotice } from './failure.ts';

/** The options of every command, as commander returns them. */
export interface GlobalOptions {
  config?: string;
  databaseUrl?: string;
  schema?: string;
  json?: boolean;
}

/** Adds the options of every command. */
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

/** Option `--cluster` of a command for one cluster. `ofOneCluster` fills in the default. */
export function clusterOption(what: string): [flags: string, description: string] {
  return ['--cluster <name>', `${what} (${whichOne})`];
}

/**
 * The options with the cluster filled in.
 * @throws HoldfastError of kind `usage` where the configuration or the name of the cluster is wrong
 */
export function ofOneCluster<Of extends GlobalOptions & { cluster?: string }>(
  options: Of,
): Of & { cluster: string } {
  return { ...options, cluster: configFrom(options).whichCluster(options.cluster) };
}

/** The configuration that these options select. @throws HoldfastError where the configuration is wrong */
export function configFrom({ config, databaseUrl, schema }: GlobalOptions): Config {
  return loadConfig({ file: config, env: process.env, databaseUrl, schema });
}

/** The connection to the control database. Warnings of the server go to standard error. */
export function controlFrom({ control }: Config, command: string): ConnectOptions & { schema: string } {
  return {
    url: control.url,
    schema: control.schema,
    applicationName: `holdfast ${command}`,
    onNotice: reportNotice,
  };
}

/** The id of a backup request. */
export function idOption(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError("it is not a backup request's id, which is a number");
}

/** A duration in milliseconds; 0 is allowed. */
export function durationOption(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(`it ${(error as RangeError).message}; accepted: ${durationExamples}`);
  }
}

/** A duration in milliseconds, longer than 0. */
export function positiveDurationOption(text: string): number {
  const milliseconds = durationOption(text);
  if (milliseconds > 0) return milliseconds;
  throw new InvalidArgumentError('it has to be longer than 0');
}

/** Adds option `--jobs`, the number of threads. */
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

/** A size in bytes, in the units that `bytes()` prints: 1 kB is 1024 bytes. */
export function sizeOption(text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kMGT]?)i?B?$/i.exec(text) ?? [];
  const power = ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase());
  const size = Math.round(Number(amount) * 1024 ** power);
  if (amount !== undefined && Number.isSafeInteger(size)) return size;
  throw new InvalidArgumentError('it is not a size, such as 500kB, 50MB or 1GB');
}

/** A JSON text, unchanged. */
export function jsonOption(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(`it is not JSON: ${(error as Error).message}`);
  }
}
