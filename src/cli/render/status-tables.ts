/** The output of `holdfast status` as text. */
import { startWorker } from '../../health/advice.ts';
import type { ChainStatus } from '../../control/backup-chains.ts';
import type { NewestDrill } from '../../control/drill-records.ts';
import type { ScheduleStatus } from '../../control/schedule-rows.ts';
import type {
  ChoreStatus,
  ClusterStatus,
  FinishedRequest,
  LiveRequest,
  WalBacklog,
  WorkerStatus,
} from '../../control/status-queries.ts';
import { plain } from '../../plain.ts';
import { chainLines } from './chain-lines.ts';
import { bytes, seconds, time } from './format.ts';
import { paint, type TextStyle } from './paint.ts';
import { table, type TableColumn } from './table.ts';

/** The data to show. */
export interface StatusRendering {
  /** Problems of the control database and of its repositories. */
  problems: string[];
  requests: LiveRequest[];
  workers: WorkerStatus[];
  clusters: ClusterStatus[];
  schedules: ScheduleStatus[];
  chores: ChoreStatus[];
  drills: NewestDrill[];
  backlogs: WalBacklog[];
  /** The copies that have not expired, oldest first. */
  chains: ChainStatus[];
}

/** All sections of the output. `width` is the width of the terminal, in columns. */
export function statusLines(
  { problems, requests, workers, clusters, schedules, chores, drills, backlogs, chains }: StatusRendering,
  finished: FinishedRequest[],
  width: number,
): string[] {
  const section = (title: string, lines: string[]) => [
    paint(title, 'bold'),
    ...lines.map((line) => `  ${line}`),
    '',
  ];
  const optional = (title: string, lines: string[]) => (lines.length > 0 ? section(title, lines) : []);
  const inner = width - 2;
  return [
    ...(problems.length > 0
      ? section(
          'Attention',
          problems.map((problem) => paint(plain(problem), 'red')),
        )
      : []),
    ...section('Backups under way', requests.length > 0 ? liveLines(requests, inner) : ['none']),
    ...(finished.length > 0 ? section('Finished, newest first', finishedLines(finished, inner)) : []),
    ...optional('Chains of copies', chainLines(chains, inner)),
    ...(schedules.length > 0 ? section('Schedules', table(scheduleColumns, schedules, inner)) : []),
    ...(chores.length > 0 ? section('Chores', table(choreColumns, chores, inner)) : []),
    ...section('Clusters', table(clusterColumns(drills, backlogs), clusters, inner)),
    ...section('Workers', workers.length > 0 ? table(workerColumns, workers, inner) : [noWorkers]),
  ].slice(0, -1);
}

const noWorkers = `none has ever been seen: ${startWorker}`;

function liveLines(requests: LiveRequest[], width: number): string[] {
  const notes = requests.flatMap(({ id, warnings }) => warnings.map((warning) => `${id}: ${plain(warning)}`));
  return [...table(liveColumns, requests, width), ...notes.map((note) => paint(note, 'yellow'))];
}

const liveColumns: TableColumn<LiveRequest>[] = [
  { title: 'ID', value: ({ id }) => String(id), align: 'right' },
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'LABEL', value: ({ label }) => plain(label), flexible: true },
  {
    title: 'STATE',
    value: ({ state }) => state,
    style: ({ session }) => (session === 'gone' ? 'red' : 'green'),
  },
  { title: 'SESSION', value: ({ session }) => session ?? '-', style: ({ session }) => sessionStyle(session) },
  { title: 'AGE', value: ({ age }) => seconds(age) },
  { title: 'STAGE', value: stageOf },
  { title: 'WAITS FOR', value: ({ waitingFor }) => plain(waitingFor ?? ''), flexible: true },
  { title: 'WORKER', value: ({ worker }) => plain(worker ?? '') },
  { title: 'BY', value: ({ requestedBy }) => plain(requestedBy) },
];

/** The style for the state of a session; null means that the request has none. */
export function sessionStyle(session: string | null): TextStyle | undefined {
  if (session === 'gone') return 'red';
  return session === 'orphaned' ? 'yellow' : undefined;
}

function stageOf({ stage, stageAge, bytesDone, bytesExpected, bytesPerSecond }: LiveRequest): string {
  if (stage === null) return '';
  const since = `${stage} ${seconds(stageAge)}`;
  if (bytesDone === null) return since;
  const rate = `${bytes(bytesPerSecond ?? 0)}/s`;
  if (!bytesExpected) return `${since}, ${bytes(bytesDone)}, ${rate}`;
  const part = Math.min(1, bytesDone / bytesExpected);
  return `${since} ${bar(part)} ${Math.floor(100 * part)} % of ${bytes(bytesExpected)}, ${rate}`;
}

const barWidth = 16;

/** A progress bar. `part` is from 0 to 1. */
export function bar(part: number): string {
  const full = Math.floor(barWidth * part);
  return `[${'#'.repeat(full)}${'-'.repeat(barWidth - full)}]`;
}

/** The table of finished requests. */
export function finishedLines(requests: FinishedRequest[], width: number): string[] {
  return table(finishedColumns, requests, width);
}

const finishedColumns: TableColumn<FinishedRequest>[] = [
  { title: 'ID', value: ({ id }) => String(id), align: 'right' },
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'LABEL', value: ({ label }) => plain(label), flexible: true },
  { title: 'STATE', value: ({ state }) => state, style: ({ state }) => finishedStyle[state] },
  { title: 'ENDED', value: ({ ago }) => `${seconds(ago)} ago` },
  { title: 'TOOK', value: ({ took }) => seconds(took) },
  { title: 'BY', value: ({ requestedBy }) => plain(requestedBy) },
  { title: 'REMARKS', value: ({ error, warnings }) => plain(error ?? warnings.join('; ')), flexible: true },
];

const finishedStyle: Record<string, TextStyle> = { complete: 'green', failed: 'red', cancelled: 'dim' };

const scheduleColumns: TableColumn<ScheduleStatus>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'REQUESTS', value: ({ kind, incremental }) => (incremental ? 'incremental copy' : kind) },
  { title: 'WHEN', value: ({ cron, timeZone }) => `${cron} ${timeZone}`, flexible: true },
  {
    title: 'STATE',
    value: ({ state }) => state,
    style: ({ state }) =>
      ({ enabled: 'green' as const, disabled: 'dim' as const, paused: 'red' as const })[state],
  },
  { title: 'NEXT RUN', value: nextRun },
  {
    title: 'LAST RUN',
    value: ({ lastState, lastDue }) => (lastDue === null ? 'none' : `${lastState}, due ${time(lastDue)}`),
    style: ({ lastState }) => bad(['failed', 'retrying', 'missed'].includes(lastState ?? '')),
  },
  {
    title: 'LAST SUCCESS',
    value: ({ lastSuccessAgo }) => (lastSuccessAgo === null ? 'never' : `${seconds(lastSuccessAgo)} ago`),
  },
  { title: 'BY', value: ({ owner }) => plain(owner) },
  { title: 'REMARKS', value: ({ problem, lastError }) => plain(problem ?? lastError ?? ''), flexible: true },
];

function nextRun({ state, nextIn }: ScheduleStatus): string {
  if (state !== 'enabled') return '-';
  if (nextIn === null) return 'not known';
  return nextIn < 0 ? `due ${seconds(-nextIn)} ago` : `in ${seconds(nextIn)}`;
}

const choreColumns: TableColumn<ChoreStatus>[] = [
  { title: 'ID', value: ({ id }) => String(id), align: 'right' },
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'STATE', value: choreState, style: ({ state }) => choreStyle[state] },
  { title: 'TRIES', value: ({ attempts }) => String(attempts), align: 'right' },
  { title: 'WORKER', value: ({ worker }) => plain(worker ?? '') },
  { title: 'REMARKS', value: ({ error }) => plain(error ?? ''), flexible: true },
];

function choreState({ state, age, ago, nextIn, workerGone }: ChoreStatus): string {
  if (ago !== null) return `${state} ${seconds(ago)} ago`;
  if (nextIn !== null) return `retrying in ${seconds(Math.max(0, nextIn))}`;
  return workerGone ? `${state}, worker gone` : `${state} for ${seconds(age)}`;
}

const choreStyle: Record<string, TextStyle> = { complete: 'green', failed: 'red', retrying: 'yellow' };

const clusterColumns = (drills: NewestDrill[], backlogs: WalBacklog[]): TableColumn<ClusterStatus>[] => [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'SERVER', value: ({ serverVersion }) => plain(serverVersion ?? '') },
  {
    title: 'SERVED BY',
    value: ({ workers }) => plain(workers.join(', ')) || 'nobody',
    style: ({ workers }) => bad(workers.length === 0),
  },
  { title: 'LAST COMPLETE', value: lastComplete },
  {
    title: 'PROVEN',
    value: ({ name }) => lastDrill(drillOf(drills, name)),
    style: ({ name }) => bad(drillOf(drills, name)?.ok === false),
  },
  {
    title: 'ARCHIVER',
    value: (cluster) => archiver(cluster) + backlogOf(backlogs, cluster.name),
    style: ({ archiverFailing }) => bad(archiverFailing === true),
    flexible: true,
  },
];

function drillOf(drills: NewestDrill[], name: string): NewestDrill | undefined {
  return drills.find(({ cluster }) => cluster === name);
}

function lastDrill(drill: NewestDrill | undefined): string {
  if (drill === undefined) return 'never';
  if (!drill.ok) return `drill ${drill.id} failed`;
  return `${drill.requestId ?? drill.backup ?? ''}, ${seconds(drill.ago)} ago`;
}

function lastComplete({ completeId, completeAgo }: ClusterStatus): string {
  return completeId === null ? 'never' : `${completeId}, ${seconds(completeAgo ?? 0)} ago`;
}

/** Seconds. A shorter wait for the archiver is normal and not shown. */
const worthAWord = 60;

function backlogOf(backlogs: WalBacklog[], name: string): string {
  const backlog = backlogs.find(({ cluster }) => cluster === name);
  if (backlog === undefined || backlog.seconds < worthAWord) return '';
  return `, waiting: ${backlog.files}, the oldest for ${seconds(backlog.seconds)}`;
}

function archiver(cluster: ClusterStatus): string {
  if (cluster.checkedAgo === null) return 'not looked at yet';
  const seen = cluster.checkedAgo > 120 ? ` (seen ${seconds(cluster.checkedAgo)} ago)` : '';
  if (cluster.archiveMode === 'off') return `off${seen}`;
  if (cluster.archiverFailing === true) {
    return `FAILING on ${cluster.lastFailedWal}, last tried ${seconds(cluster.lastFailedAgo ?? 0)} ago${seen}`;
  }
  if (cluster.lastArchivedWal === null) return `nothing archived yet${seen}`;
  return `${cluster.lastArchivedWal}, ${seconds(cluster.lastArchivedAgo ?? 0)} ago${seen}`;
}

const workerColumns: TableColumn<WorkerStatus>[] = [
  { title: 'NAME', value: ({ name }) => plain(name) },
  {
    title: 'STATE',
    value: workerState,
    style: (worker) => (workerState(worker) === 'alive' ? 'green' : 'dim'),
  },
  { title: 'SERVES', value: ({ clusters }) => clusters.join(', '), flexible: true },
  { title: 'HOLDS', value: ({ held }) => String(held), align: 'right' },
  { title: 'HOST', value: ({ host, hostPid }) => `${plain(host)} (${hostPid})`, flexible: true },
  { title: 'VERSION', value: ({ version }) => plain(version) },
  { title: 'LAST SEEN', value: ({ lastSeenAgo }) => `${seconds(lastSeenAgo)} ago` },
];

function workerState({ alive, draining }: WorkerStatus): string {
  if (!alive) return 'gone';
  return draining ? 'draining' : 'alive';
}

function bad(is: boolean): TextStyle | undefined {
  return is ? 'red' : undefined;
}
