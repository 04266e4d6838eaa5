// How the servers are set up: quick to start and stop, with nothing to protect, and archiving WAL.
export type Settings = Record<string, string>;

export function defaultSettings(archiveDirectory: string, failureFlag: string): Settings {
  return {
    fsync: 'off',
    shared_buffers: '32MB',
    max_connections: '150',
    wal_level: 'replica',
    archive_mode: 'on',
    archive_command: archiveCommand(archiveDirectory, failureFlag),
    archive_timeout: '0',
    logging_collector: 'off',
    log_line_prefix: '%m [%p] %q%u@%d %a ',
    log_timezone: 'UTC',
    timezone: 'UTC',
  };
}

/**
 * Never overwrites a different file, succeeds for an identical one (a server that crashed archives its last segment
 * again), and a file appears under its name only once it is whole. Fails while the flag file exists.
 */
function archiveCommand(directory: string, failureFlag: string): string {
  const file = `"${directory}/%f"`;
  return [
    `test ! -e "${failureFlag}"`,
    `{ cmp -s "%p" ${file} || { test ! -e ${file} && cp "%p" "${directory}/%f.part" && mv "${directory}/%f.part" ${file}; }; }`,
  ].join(' && ');
}

export function settingLines(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'\n`)
    .join('');
}
