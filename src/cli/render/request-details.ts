/** The output of `holdfast status ID`: all data of one request. */
import type { Proof } from '../../control/drill-records.ts';
import type { RequestEvent, RequestDetails, RequestStage } from '../../control/status-queries.ts';
import { plain } from '../../plain.ts';
import { bytes, seconds, time } from './format.ts';
import { paint } from './paint.ts';
import { table, type TableColumn } from './table.ts';

/** The data to show. */
export interface RequestRendering {
  request: RequestDetails;
  stages: RequestStage[];
  events: RequestEvent[];
  /** undefined if the request is not complete. */
  proof: Proof | undefined;
}

/** The lines of the output. `width` is the width of the terminal, in columns. */
export function requestDetailLines(
  { request, stages, events, proof }: RequestRendering,
  width: number,
): string[] {
  return [
    paint(
      `backup ${request.id} "${plain(request.label)}" of cluster ${request.cluster}: ${request.state}`,
      'bold',
    ),
    ...[...facts(request), ...proofFacts(proof)].map(([name, value]) => `  ${name.padEnd(17)} ${value}`),
    ...section('stages', table(stageColumns, stages, width - 4)),
    ...section('history', table(eventColumns, events, width - 4)),
    ...section('backup_label', file(request.backupLabel)),
    ...section('tablespace_map', file(request.tablespaceMap)),
  ];
}

function section(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : ['', `  ${paint(title, 'bold')}`, ...lines.map((line) => `    ${line}`)];
}

function file(text: string | null): string[] {
  return text === null ? [] : text.trimEnd().split('\n').map(plain);
}

/** The facts that are known, in chronological order. */
function facts(request: RequestDetails): [string, string][] {
  const { requestedBy, requestedLogin } = request;
  const who = requestedBy === requestedLogin ? requestedBy : `${requestedBy} (login ${requestedLogin})`;
  const all: [string, string | null | undefined | false][] = [
    ['requested', `${time(request.requestedAt)} by ${who}`],
    ['method', [request.method, request.command].filter(Boolean).join(' ')],
    ['options', optionsOf(request)],
    ['annotations', request.annotations !== null && JSON.stringify(request.annotations)],
    ['waits for', request.waitingFor],
    ['worker', request.worker],
    ['session', sessionOf(request)],
    [
      'cluster',
      request.systemIdentifier &&
        `PostgreSQL ${request.serverVersion}, system identifier ${request.systemIdentifier}`,
    ],
    ['started', request.startedAt && time(request.startedAt)],
    ['done', request.doneAt && time(request.doneAt)],
    ['stopped', request.stoppedAt && time(request.stoppedAt)],
    ['archived', archivedOf(request)],
    ['ended', request.finishedAt && time(request.finishedAt)],
    [
      'LSN',
      request.startLsn && `${request.startLsn} to ${request.stopLsn ?? '…'} on timeline ${request.timeline}`,
    ],
    ['incremental', incrementOf(request)],
    ['chain', chainFact(request)],
    ['WAL needed', request.startWal && `${request.startWal} to ${request.stopWal ?? '…'}`],
    ['error', request.error && paint(`${plain(request.error)} (${request.errorCode})`, 'red')],
    ['hint', request.hint],
    ...request.warnings.map((warning): [string, string] => ['warning', paint(plain(warning), 'yellow')]),
  ];
  return all.flatMap(([name, value]) =>
    value ? [[name, name === 'error' || name === 'warning' ? value : plain(value)]] : [],
  );
}

/** The last successful drill of the backup, and the last drill if it failed. */
function proofFacts(proof: Proof | undefined): [string, string][] {
  if (proof === undefined) return [];
  const { provenAt, restoreSeconds, recoverySeconds, drilledAt, drillOk, drillError } = proof;
  const took = seconds((restoreSeconds ?? 0) + (recoverySeconds ?? 0));
  const proven =
    provenAt === null
      ? 'never: try "holdfast drill"'
      : `${time(provenAt)}: restored and recovered in ${took}`;
  const failed: [string, string][] =
    drilledAt === null || drillOk === true
      ? []
      : [['drill failed', paint(`${time(drilledAt)}: ${plain(drillError ?? '')}`, 'red')]];
  return [['proven restorable', proven], ...failed];
}

function optionsOf({
  fast,
  waitForArchive,
  holdTimeout,
  keep,
  rateLimit,
  compressLevel,
  incremental,
}: RequestDetails): string {
  const options = [
    fast && 'fast',
    !waitForArchive && 'does not wait for the archive',
    holdTimeout !== null && (holdTimeout === 0 ? 'no hold timeout' : `hold timeout ${seconds(holdTimeout)}`),
    keep && 'kept for ever',
    rateLimit !== null && `at most ${bytes(rateLimit)}/s`,
    compressLevel !== null && `zstd level ${compressLevel}`,
    incremental && 'incremental',
  ];
  return options.filter(Boolean).join(', ');
}

function incrementOf({ parent, incrementalFrom }: RequestDetails): string | null {
  return parent === null ? null : `changes since backup ${parent}, from ${incrementalFrom} on`;
}

/** The copies that a restore reads, if there are several. */
function chainFact({ chain }: RequestDetails): string | null {
  return chain === null || chain.length === 1 ? null : chain.join(' > ');
}

function archivedOf({ archivedAt, archiveSeen }: RequestDetails): string | null {
  if (archivedAt === null) return null;
  if (archiveSeen === null) return `${time(archivedAt)}, as the server says`;
  return `${time(archivedAt)}${archiveSeen ? ', seen in the archive' : ' as the server says, but not in the archive'}`;
}

function sessionOf({ session, pid, backendStart }: RequestDetails): string {
  const process = pid === null ? '' : `process ${pid}${backendStart ? ` since ${time(backendStart)}` : ''}`;
  return [process, session].filter(Boolean).join(': ');
}

const stageColumns: TableColumn<RequestStage>[] = [
  { title: 'STAGE', value: ({ stage }) => stage },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'BEGAN', value: ({ beganAt }) => time(beganAt) },
  { title: 'TOOK', value: ({ took }) => seconds(took) },
  { title: 'BYTES', value: ({ bytesDone }) => (bytesDone === null ? '' : bytes(bytesDone)) },
  { title: 'DETAIL', value: ({ detail }) => plain(detail ?? ''), flexible: true },
];

const eventColumns: TableColumn<RequestEvent>[] = [
  { title: 'AT', value: ({ at }) => time(at) },
  { title: 'FROM', value: ({ fromState }) => fromState ?? '' },
  { title: 'TO', value: ({ toState }) => toState },
  { title: 'BY', value: ({ who, login }) => plain(who === login ? who : `${who} (${login})`) },
  {
    title: 'DETAIL',
    value: ({ detail }) =>
      plain(
        Object.entries(detail ?? {})
          .map(([key, value]) => `${key}=${String(value)}`)
          .join(' '),
      ),
    flexible: true,
  },
];
