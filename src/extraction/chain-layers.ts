/**
 * What each link of a chain contributes to the data directory. The links are extracted one after the other, the full
 * copy first: a file is taken whole from the newest link that has it whole, and the blocks of later links are written
 * over it. Pure.
 */
import { incrementalPath, pathOfIncremental } from '../postgres/incremental-file.ts';
import type { Manifest } from '../postgres/read-manifest.ts';

/** The part of a manifest that is used here. */
type Files = Pick<Manifest, 'files'>;

/**
 * Returns for each link the paths, as in its manifest, that are not written: a later link has the file whole, or the
 * last link does not have the file.
 * `manifests`: of the links, the full copy first.
 * @throws RangeError where an incremental file has no whole file to which its blocks belong, or has one beside it
 */
export function supersededFiles(manifests: readonly Files[]): Set<string>[] {
  const newestFirst = manifests.toReversed();
  let wanted: Set<string> | undefined;
  const superseded = newestFirst.map(({ files }) => {
    const passedOver = new Set<string>();
    const inPart = new Set<string>();
    for (const [path] of files) {
      const whole = pathOfIncremental(path);
      if (whole !== undefined && files.has(whole))
        throw new RangeError(`a link of the chain has "${whole}" both whole and in part`);
      if (wanted !== undefined && !wanted.has(whole ?? path)) passedOver.add(path);
      else if (whole !== undefined) inPart.add(whole);
    }
    for (const path of wanted ?? [])
      if (!files.has(path) && !files.has(incrementalPath(path)))
        throw new RangeError(`no link of the chain has "${path}" whole`);
    wanted = inPart;
    return passedOver;
  });
  for (const path of wanted ?? []) throw new RangeError(`no link of the chain has "${path}" whole`);
  return superseded.toReversed();
}
