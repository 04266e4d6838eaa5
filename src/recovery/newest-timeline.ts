import type { ArchiveContents } from '../repository/archive-content.ts';

/**
 * The newest timeline as the server finds it: the server asks for the history files of the next timelines one
 * by one.
 */
export function newestTimeline(from: number, histories: ArchiveContents['histories']): number {
  let newest = from;
  while (histories.has(newest + 1)) newest += 1;
  return newest;
}
