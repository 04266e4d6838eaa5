/**
 * Builds the configuration of the private server of a drill. The configuration of the restored cluster is not
 * used. The private server has no connections to other hosts, and runs nothing from the databases by itself.
 * Pure.
 */
import type { ControlFile } from '../postgres/pg-control.ts';
import type { RequiredParameters } from '../postgres/required-parameters.ts';
import { mostWal } from './drill-space.ts';

/** The port is a part of the name of the socket only. */
export const drillServerPort = 5432;

/** The input of drillServerSettings(). */
export interface DrillServerSettings {
  major: number;
  control: Pick<ControlFile, 'walSegmentSize'>;
  /** The largest settings of the primary in the WAL. */
  required: RequiredParameters;
  /** The directory of the socket. */
  sockets: string;
  hbaFile: string;
  /** An empty file. */
  identFile: string;
  /** shared_preload_libraries; only libraries that recovery needs. */
  preload: string;
}

/** All settings of the private server, as names and values. */
export function drillServerSettings(wanted: DrillServerSettings): [string, string][] {
  return [...seclusion(wanted), ...size(wanted), ...recovery(wanted), ...output];
}

/**
 * Allows connections through the socket only, and starts no background workers of extensions, schedulers or
 * subscriptions.
 */
function seclusion(wanted: DrillServerSettings): [string, string][] {
  const { major, sockets, hbaFile, identFile, preload } = wanted;
  return [
    ['listen_addresses', ''],
    ['port', String(drillServerPort)],
    ['unix_socket_directories', `"${sockets.replaceAll('"', '""')}"`],
    ['unix_socket_permissions', '0700'],
    ['hba_file', hbaFile],
    ['ident_file', identFile],
    // Certificates by host name, which a server would look for in the restored data directory.
    ...(major >= 19 ? [['hosts_file', identFile] satisfies [string, string]] : []),
    ['ssl', 'off'],
    ['archive_mode', 'off'],
    ['max_wal_senders', '0'],
    // A preloaded library may register background workers, and none of the workers is started.
    ['shared_preload_libraries', preload],
    ['max_worker_processes', '0'],
    ['max_logical_replication_workers', '0'],
    ['autovacuum', 'off'],
    ['restart_after_crash', 'off'],
    // JIT would compile code from the databases, and load a library.
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
 * Settings of recovery. Without hot standby, replay needs only room for the content of the WAL: prepared
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
  // Holdfast parses the messages of the server.
  ['lc_messages', 'C'],
];

/**
 * The pg_hba.conf of the private server. Only the socket is open, in a directory that other users cannot
 * enter.
 */
export const drillServerHba = 'local all all trust\n';
