/**
 * How the private server of a drill is set up: its configuration is ours alone, nothing of the restored cluster's
 * counts. It reaches nobody and nobody reaches it, and of what is in the databases nothing runs by itself. Pure.
 */
import type { ControlFile } from '../postgres/pg-control.ts';
import type { RequiredParameters } from '../postgres/required-parameters.ts';
import { mostWal } from './drill-space.ts';

/** Part of the socket's name only. */
export const drillServerPort = 5432;

export interface DrillServerSettings {
  major: number;
  control: Pick<ControlFile, 'walSegmentSize'>;
  /** The most that the primary had on the way. */
  required: RequiredParameters;
  sockets: string;
  hbaFile: string;
  identFile: string;
  /** shared_preload_libraries, where recovery itself needs some. */
  preload: string;
}

export function drillServerSettings(wanted: DrillServerSettings): [string, string][] {
  return [...seclusion(wanted), ...size(wanted), ...recovery(wanted), ...output];
}

/** No way in but the socket, no way out, and no worker of any extension, schedule or subscription. */
function seclusion({ sockets, hbaFile, identFile, preload }: DrillServerSettings): [string, string][] {
  return [
    ['listen_addresses', ''],
    ['port', String(drillServerPort)],
    ['unix_socket_directories', `"${sockets.replaceAll('"', '""')}"`],
    ['unix_socket_permissions', '0700'],
    ['hba_file', hbaFile],
    ['ident_file', identFile],
    ['ssl', 'off'],
    ['archive_mode', 'off'],
    ['max_wal_senders', '0'],
    // A library that is preloaded registers its workers, and none of them is started.
    ['shared_preload_libraries', preload],
    ['max_worker_processes', '0'],
    ['max_logical_replication_workers', '0'],
    ['autovacuum', 'off'],
    ['restart_after_crash', 'off'],
    // It would compile what is in the databases, with a library of its own.
    ['jit', 'off'],
  ];
}

function size({ control }: DrillServerSettings): [string, string][] {
  const megabytes = (bytes: number) => `${Math.ceil(bytes / (1 << 20))}MB`;
  return [
    ['shared_buffers', '128MB'],
    ['maintenance_work_mem', '128MB'],
    ['huge_pages', 'off'],
    ['max_connections', '20'],
    ['max_wal_size', megabytes(mostWal(control.walSegmentSize))],
    ['min_wal_size', megabytes(Math.max(80 << 20, 2 * control.walSegmentSize))],
  ];
}

/**
 * Without a hot standby, replay demands none of the primary's settings but room for what the WAL may hold: prepared
 * transactions, their locks, and the progress of subscriptions (src/backend/replication/logical/origin.c).
 */
function recovery({ major, required }: DrillServerSettings): [string, string][] {
  const origins = major >= 18 ? 'max_active_replication_origins' : 'max_replication_slots';
  return [
    ['hot_standby', 'off'],
    ['max_prepared_transactions', String(Math.max(100, required.max_prepared_transactions))],
    ['max_locks_per_transaction', String(Math.max(64, required.max_locks_per_transaction))],
    [origins, '1000'],
  ];
}

const output: [string, string][] = [
  ['log_destination', 'stderr'],
  ['logging_collector', 'off'],
  ['log_line_prefix', '%m [%p] '],
  ['log_timezone', 'UTC'],
  ['timezone', 'UTC'],
  // What it says is read by a program.
  ['lc_messages', 'C'],
];

/** The private server's pg_hba.conf: through the socket only, in a directory that nobody else can enter. */
export const drillServerHba = 'local all all trust\n';
