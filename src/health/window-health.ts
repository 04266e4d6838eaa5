/** Health of the archived WAL and of the restore windows, by pure functions. */
import type { RestoreWindow } from '../control/archived-wal.ts';
import { takeBackup } from './advice.ts';
import type { Finding, Severity } from './findings.ts';

/** Seconds for which a server that was replaced may still archive. */
const handover = 5 * 60;
/** Seconds. */
const day = 86_400;

/**
 * The findings for the restore windows of one cluster. A hole stays a warning for ever. On the newest timeline,
 * the lack of a backup after the last hole is critical.
 */
export function windowFindings(windows: RestoreWindow[]): Finding[] {
  const newest = Math.max(...windows.map(({ timeline }) => timeline));
  return windows.flatMap((window) => {
    const { cluster, timeline, earliestTime, earliestCopyTime, latestTime, holes, upToDate } = window;
    const say = (severity: Severity, message: string): Finding => ({
      severity,
      object: `cluster ${cluster}, timeline ${timeline}`,
      message,
    });
    const missing = [
      ...(holes ?? []).map((hole) => say('warning', `WAL is missing: ${hole}`)),
      ...(window.breaks ?? []).map((reason) =>
        say('critical', `its WAL is of two histories: ${reason}; take a backup, and end the other server`),
      ),
      ...rivalsOf(window, windows).map((rival) => say('warning', rival)),
    ];
    if (earliestTime === null || latestTime === null) {
      const none = 'its WAL is archived, and there is no backup to restore it from';
      const found =
        timeline === newest ? say('critical', `${none}: ${takeBackup(cluster)}`) : say('ok', none);
      return [found, ...missing];
    }
    const range = say(
      'ok',
      `restorable from ${moment(earliestTime)} to ${moment(latestTime)}${byHand(earliestTime, earliestCopyTime)}`,
    );
    if (upToDate || timeline !== newest) return [range, ...missing];
    return [
      range,
      say('critical', `nothing after the last hole can be restored: ${takeBackup(cluster)}`),
      ...missing,
    ];
  });
}

/** What "holdfast restore" cannot restore, as others have copied it: the backup is not in the repository. */
function byHand(earliest: Date, earliestCopy: Date | null): string {
  if (earliestCopy === null) return ', by hand: from copies that others made (docs/restore-by-hand.md)';
  if (earliestCopy <= earliest) return '';
  return `; before ${moment(earliestCopy)} by hand, from copies that others made (docs/restore-by-hand.md)`;
}

/**
 * Returns warnings for two timelines that are both written. After a promotion, the server that was replaced may
 * archive to the old timeline for a short time. If both timelines grow for longer, two servers archive, and a
 * restore has the data of only one of the servers.
 */
function rivalsOf({ timeline, writtenUntil, writtenAgo }: RestoreWindow, windows: RestoreWindow[]): string[] {
  return windows
    .filter(({ timeline: newer, writtenSince: since, writtenAgo: ago }) => {
      if (newer <= timeline || since === null || writtenUntil === null) return false;
      const overlap = (writtenUntil.getTime() - since.getTime()) / 1000;
      return overlap > handover && Math.max(ago ?? 0, writtenAgo ?? 0) < day;
    })
    .map(
      ({ timeline: newer }) =>
        `timeline ${newer} is written to as well: say which one a restore means, with --target-timeline ${timeline} or ${newer}`,
    );
}

function moment(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
