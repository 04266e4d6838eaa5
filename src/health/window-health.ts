/** What a monitoring system should know of the WAL that is archived, and of what can be restored from it. Pure. */
import type { RestoreWindow } from '../control/archived-wal.ts';
import { takeBackup } from './advice.ts';
import type { Finding, Severity } from './findings.ts';

/** For how long, in seconds, a server that was replaced may still archive. */
const handover = 5 * 60;
/** Seconds. */
const day = 86_400;

/** Of one cluster: a hole is one for ever, and past the last one on the newest timeline there has to be a backup. */
export function windowFindings(windows: RestoreWindow[]): Finding[] {
  const newest = Math.max(...windows.map(({ timeline }) => timeline));
  return windows.flatMap((window) => {
    const { cluster, timeline, earliestTime, latestTime, holes, upToDate } = window;
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
    const range = say('ok', `restorable from ${moment(earliestTime)} to ${moment(latestTime)}`);
    if (upToDate || timeline !== newest) return [range, ...missing];
    return [
      range,
      say('critical', `nothing after the last hole can be restored: ${takeBackup(cluster)}`),
      ...missing,
    ];
  });
}

/**
 * A timeline that is left is written to for a moment more, by the server that was replaced. Longer than that, two
 * servers archive, each on a timeline of its own, and a restore has the data of one.
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
