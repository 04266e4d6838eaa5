/** `holdfast status`: shows all requests, clusters and workers, or one request in detail. */
import type { Command } from 'commander';
import { withControl } from '../../control/control-client.ts';
import type { Connection, ConnectOptions } from '../../database/connection.ts';
import { backupChains } from '../../control/backup-chains.ts';
import { newestDrills, proofOf } from '../../control/drill-records.ts';
import { controlIdentity, missingBackups, repositoryProblems } from '../../control/control-identity.ts';
import { identityFindings } from '../../health/identity-health.ts';
import { schedules } from '../../control/schedule-rows.ts';
import * as status from '../../control/status-queries.ts';
import { HoldfastError } from '../../errors.ts';
import { requestDetailLines, type RequestRendering } from '../render/request-details.ts';
import { seconds } from '../render/format.ts';
import { configFrom, controlFrom, idOption, positiveDurationOption, type GlobalOptions } from '../options.ts';
import { asSql, print, printJson, printLines } from '../render/output.ts';
import { finishedLines, statusLines, type StatusRendering } from '../render/status-tables.ts';
import { watch, type WatchView } from '../render/watch.ts';

interface Options extends GlobalOptions {
  /** Milliseconds; true means the default interval. */
  watch?: number | true;
  all: boolean;
}

/** How many finished requests are shown without `--all`. */
const finishedShown = 10;

/** Adds `holdfast status` to the program. */
export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show the backups under way, the clusters and the workers; or everything about one backup')
    .argument('[id]', 'its id', idOption)
    .option('--all', `every finished backup, not only the newest ${finishedShown}`, false)
    .option(
      '--watch [interval]',
      'show it again and again, every 2 s by default; into a pipe, whenever it changes',
      every,
    )
    .action(async (requestId: number | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const control = controlFrom(configFrom(options), 'status');
      if (options.watch !== undefined) {
        if (options.all) throw new HoldfastError('usage', '--watch and --all do not go together');
        await watch(options.watch === true ? 2000 : options.watch, options.json === true, control, (db) =>
          view(db, requestId),
        );
      } else if (options.all && requestId === undefined) {
        await withControl(control, (db) => printAll(db, options.json === true));
      } else {
        await printOnce(control, requestId, options.json === true);
      }
    });
}

/** Parses the interval of `--watch`. A number without a unit is in seconds. */
function every(text: string): number {
  return positiveDurationOption(/^\d+(\.\d+)?$/.test(text) ? `${text} s` : text);
}

async function printOnce(
  control: ConnectOptions,
  requestId: number | undefined,
  json: boolean,
): Promise<void> {
  const { lines, data } = await withControl(control, (db) => view(db, requestId));
  if (json) await printJson(data);
  else await printLines(lines(terminalWidth()));
}

async function view(db: Connection, requestId: number | undefined): Promise<WatchView> {
  return requestId === undefined ? overviewView(db) : biographyView(db, requestId);
}

async function overviewView(db: Connection): Promise<WatchView> {
  const overview = await readOverview(db);
  const live = new Set(overview.requests.map(({ id }) => id));
  // A request that has ended between the two queries is shown as the first query saw the request.
  const finished = (await status.newestFinished(db, finishedShown)).filter(({ id }) => !live.has(id));
  return {
    lines: (width) => statusLines(overview, finished, width),
    data: { ...overviewData(overview), finished: finished.map(asSql) },
    gist: JSON.stringify([
      overview.problems.length,
      overview.requests.map(({ id, state, session, waitingFor, warnings }) => [
        id,
        state,
        session,
        waitingFor,
        warnings,
      ]),
      overview.workers.map(({ name, alive, draining, held }) => [name, alive, draining, held]),
      overview.clusters.map(({ name, archiverFailing, workers }) => [name, archiverFailing, workers]),
      overview.schedules.map(({ name, state, nextRun, lastState, problem }) => [
        name,
        state,
        nextRun,
        lastState,
        problem,
      ]),
      overview.chores.map(({ id, state, attempts }) => [id, state, attempts]),
      overview.chains.map(({ id, problem }) => [id, problem]),
      finished.map(({ id }) => id),
    ]),
  };
}

async function biographyView(db: Connection, requestId: number): Promise<WatchView> {
  const request = await status.findRequest(db, requestId);
  if (request === undefined) {
    throw new HoldfastError('failed', `backup request ${requestId} does not exist`, {
      code: 'no_such_request',
      hint: 'list them with "holdfast status --all"',
    });
  }
  const biography: RequestRendering = {
    request,
    stages: await status.stages(db, requestId),
    events: await status.events(db, requestId),
    proof: await proofOf(db, requestId),
  };
  const { state, session, waitingFor, warnings } = request;
  return {
    lines: (width) => requestDetailLines(biography, width),
    data: {
      ...asSql(request),
      proof: biography.proof === undefined ? null : asSql(biography.proof),
      stages: biography.stages.map(asSql),
      events: biography.events.map(asSql),
    },
    gist: JSON.stringify([state, session, waitingFor, warnings, biography.events.length]),
  };
}

async function readOverview(db: Connection): Promise<StatusRendering> {
  return {
    problems: identityFindings(await readIdentity(db), seconds).map(
      ({ object, message }) => `${object}: ${message}`,
    ),
    requests: await status.liveRequests(db),
    workers: await status.workers(db),
    clusters: await status.clusters(db),
    schedules: await schedules(db),
    chores: await status.chores(db),
    drills: await newestDrills(db),
    backlogs: await status.walBacklogs(db),
    chains: await backupChains(db),
  };
}

async function readIdentity(db: Connection) {
  return {
    identity: await controlIdentity(db),
    repositories: await repositoryProblems(db),
    missing: await missingBackups(db),
  };
}

function overviewData(overview: StatusRendering) {
  return {
    problems: overview.problems,
    requests: overview.requests.map(asSql),
    workers: overview.workers.map(asSql),
    clusters: overview.clusters.map(asSql),
    schedules: overview.schedules.map(asSql),
    chores: overview.chores.map(asSql),
    drills: overview.drills.map(asSql),
    wal_backlogs: overview.backlogs.map(asSql),
    chains: overview.chains.map(asSql),
  };
}

/** Prints the finished requests page by page: there may be millions of requests. */
async function printAll(db: Connection, json: boolean): Promise<void> {
  const overview = await readOverview(db);
  if (!json) {
    await printLines(statusLines(overview, [], terminalWidth()));
    for await (const page of status.finishedRequests(db))
      await printLines(['', ...finishedLines(page, terminalWidth())]);
    return;
  }
  const head = JSON.stringify(overviewData(overview), null, 2);
  await print(`${head.slice(0, -2)},\n  "finished": [`);
  let separator = '\n    ';
  for await (const page of status.finishedRequests(db)) {
    await print(separator + page.map((row) => JSON.stringify(asSql(row))).join(',\n    '));
    separator = ',\n    ';
  }
  await print('\n  ]\n}\n');
}

function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Infinity;
}
