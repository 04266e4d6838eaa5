/**
 * `holdfast check`: a plugin for monitoring systems. The output is one line in the style of Nagios, then the
 * details; the exit status is 0 ok, 1 warning, 2 critical, 3 unknown.
 */
import { Option, type Command } from 'commander';
import { backupChains } from '../../control/backup-chains.ts';
import { restoreWindows } from '../../control/archived-wal.ts';
import { withConnection } from '../../control/control-client.ts';
import type { Connection } from '../../database/connection.ts';
import { newestDrills } from '../../control/drill-records.ts';
import type { Finding, HealthInput } from '../../health/findings.ts';
import { assessHealth, worstSeverity } from '../../health/health.ts';
import { controlIdentity, missingBackups, repositoryProblems } from '../../control/control-identity.ts';
import { installedVersion, requireSchema, schemaVersion } from '../../control/schema-version.ts';
import { schedules } from '../../control/schedule-rows.ts';
import { HoldfastError } from '../../errors.ts';
import {
  chores,
  clusters,
  damagedCopies,
  liveRequests,
  unseenWal,
  walBacklogs,
  workers,
} from '../../control/status-queries.ts';
import { plain } from '../../plain.ts';
import { CheckFailed, exitStatuses } from '../check-failed.ts';
import { commandFailureOf } from '../failure.ts';
import { seconds } from '../render/format.ts';
import { configFrom, controlFrom, positiveDurationOption, type GlobalOptions } from '../options.ts';
import { asSql, printJson, printLines } from '../render/output.ts';

interface Options extends GlobalOptions {
  /** Milliseconds. */
  maxAge: number;
  cluster?: string[];
}

/** Adds `holdfast check` to the program. */
export function addCheck(program: Command): void {
  program
    .command('check')
    .description(
      'say whether all is well, for a monitoring system: exits with 0 ok, 1 warning, 2 critical, 3 unknown',
    )
    .addOption(
      new Option('--max-age <duration>', 'the age of the last complete backup that is critical')
        .argParser(positiveDurationOption)
        .default(26 * 3_600_000, '26h'),
    )
    .option('--cluster <name...>', 'only these clusters (default: all that anybody uses)')
    .exitOverride((error) => {
      throw error.exitCode === 0 ? error : new CheckFailed(commandFailureOf(error));
    })
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const observed = await observe(options).catch((error: unknown) => {
        throw new CheckFailed(commandFailureOf(error));
      });
      const findings = assessHealth(observed, { maxAge: options.maxAge / 1000 }, seconds);
      process.exitCode = exitStatuses[worstSeverity(findings)];
      if (options.json === true) await printJson(asJson(findings, observed));
      else await printLines(statusLines(findings, observed, options.maxAge / 1000));
    });
}

async function observe(options: Options): Promise<HealthInput> {
  const control = controlFrom(configFrom(options), 'check');
  return withConnection(control, async (db) => {
    const installed = await installedVersion(db, control.schema);
    if (installed === 0) await requireSchema(db, control.schema);
    return {
      schema: { installed, needed: schemaVersion() },
      ...only(options.cluster, await look(db, installed)),
    };
  });
}

async function look(db: Connection, installed: number): Promise<Omit<HealthInput, 'schema'>> {
  // An older schema does not have all views.
  const isCurrent = installed >= schemaVersion();
  const unlessOlder = async <T>(read: (connection: Connection) => Promise<T[]>) =>
    isCurrent ? read(db) : [];
  return {
    clusters: await clusters(db),
    workers: await workers(db),
    requests: await liveRequests(db),
    windows: await unlessOlder(restoreWindows),
    schedules: await unlessOlder(schedules),
    chores: await unlessOlder(chores),
    drills: await unlessOlder(newestDrills),
    identity: isCurrent ? await controlIdentity(db) : undefined,
    repositories: await unlessOlder(repositoryProblems),
    missing: await unlessOlder(missingBackups),
    chains: await unlessOlder(backupChains),
    damaged: await unlessOlder(damagedCopies),
    backlogs: await unlessOlder(walBacklogs),
    unseen: await unlessOlder(unseenWal),
  };
}

/**
 * Selects the clusters that `--cluster` names. A named cluster counts as used.
 * @throws HoldfastError `no_such_cluster`
 */
function only(names: string[] | undefined, seen: Omit<HealthInput, 'schema'>): Omit<HealthInput, 'schema'> {
  if (names === undefined) return seen;
  const unknown = names.filter((name) => !seen.clusters.some((cluster) => cluster.name === name));
  if (unknown.length > 0) {
    const message = `cluster "${unknown.join('", "')}" does not exist`;
    const known = seen.clusters.map(({ name }) => name).join(', ');
    throw new HoldfastError('usage', message, {
      code: 'no_such_cluster',
      hint: `give one of these: ${known}`,
    });
  }
  return {
    clusters: seen.clusters
      .filter(({ name }) => names.includes(name))
      .map((cluster) => ({ ...cluster, used: true })),
    workers: seen.workers,
    requests: seen.requests.filter(({ cluster }) => names.includes(cluster)),
    windows: seen.windows.filter(({ cluster }) => names.includes(cluster)),
    schedules: seen.schedules.filter(({ cluster }) => names.includes(cluster)),
    chores: seen.chores.filter(({ cluster }) => names.includes(cluster)),
    drills: seen.drills.filter(({ cluster }) => names.includes(cluster)),
    identity: seen.identity,
    repositories: seen.repositories.filter(({ name }) => names.includes(name)),
    missing: seen.missing.filter(({ cluster }) => names.includes(cluster)),
    chains: seen.chains.filter(({ cluster }) => names.includes(cluster)),
    damaged: seen.damaged.filter(({ cluster }) => names.includes(cluster)),
    backlogs: seen.backlogs.filter(({ cluster }) => names.includes(cluster)),
    unseen: seen.unseen.filter(({ cluster }) => names.includes(cluster)),
  };
}

function statusLines(findings: Finding[], observed: HealthInput, maxAge: number): string[] {
  const said = ({ object, message }: Finding) => plain(`${object}: ${message}`);
  const problems = findings.filter(({ severity }) => severity !== 'ok');
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  const summary = first === undefined ? allWell(observed) : said(first) + more;
  return [
    `HOLDFAST ${worstSeverity(findings).toUpperCase()} - ${summary.replaceAll('|', '/')} | ${performanceData(observed, maxAge)}`,
    ...findings.map((finding) => `${finding.severity.padEnd(8)} ${said(finding).replaceAll('|', '/')}`),
  ];
}

function allWell({ clusters: all, workers: everybody, requests }: HealthInput): string {
  const alive = everybody.filter((worker) => worker.alive).length;
  const inUse = all.filter(({ used }) => used).length;
  return `clusters: ${inUse}, workers: ${alive}, backups under way: ${requests.length}`;
}

function performanceData(
  { clusters: all, workers: everybody, requests }: HealthInput,
  maxAge: number,
): string {
  const ages = all
    .filter(({ completeAgo }) => completeAgo !== null)
    .map(({ name, completeAgo }) => `'${name}_backup_age'=${Math.round(completeAgo ?? 0)}s;;${maxAge};0`);
  return [
    ...ages,
    `workers=${everybody.filter(({ alive }) => alive).length};;;0`,
    `under_way=${requests.length};;;0`,
  ].join(' ');
}

function asJson(findings: Finding[], seen: HealthInput): object {
  return {
    status: worstSeverity(findings),
    findings,
    clusters: seen.clusters.map(asSql),
    workers: seen.workers.map(asSql),
    requests: seen.requests.map(asSql),
    restore_windows: seen.windows.map(asSql),
    schedules: seen.schedules.map(asSql),
    chores: seen.chores.map(asSql),
    drills: seen.drills.map(asSql),
    identity: seen.identity === undefined ? null : asSql(seen.identity),
    repositories: seen.repositories.map(asSql),
    missing_backups: seen.missing.map(asSql),
    broken_chains: seen.chains.filter(({ brokenLink }) => brokenLink !== null).map(asSql),
    damaged_copies: seen.damaged.map(asSql),
    wal_backlogs: seen.backlogs.map(asSql),
    unseen_wal: seen.unseen.map(asSql),
  };
}
