/**
 * npm run bench:incremental: incremental copies beside pg_basebackup --incremental and pgBackRest's block incremental
 * backups, on one server of PostgreSQL 18 with checksums, of whose pages a few have changed; then restores of a full
 * backup and three incremental ones.
 * Options: --gb 4 (or 1,4,16) --rounds 5 --restores 3 --rows 1000 --level 1 --jobs 2 --directory DIR
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setDirectory } from '../dev/debian/program-sets.ts';
import { median } from './control/statistics.ts';
import { sh } from './copy/shell.ts';
import { incrementalPeers, links, type IncrementalPeer } from './incremental/peers.ts';
import { makeSummarizingServer } from './incremental/server.ts';

const { values: options } = parseArgs({
  options: {
    gb: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    restores: { type: 'string', default: '3' },
    rows: { type: 'string', default: '1000' },
    level: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    directory: { type: 'string', default: tmpdir() },
  },
});

if (Number(options.restores) > 0 && Number(options.rounds) < links - 1)
  throw new Error(
    `--rounds ${options.rounds} makes too short a chain to restore: type --rounds ${links - 1}, or --restores 0`,
  );

const say = (line: string) => process.stdout.write(`${line}\n`);
const newest = join(setDirectory('pgbackrest'), 'usr/bin/pgbackrest');
const pgBackRest = existsSync(newest) ? newest : undefined;

for (const gb of options.gb.split(',').map(Number)) {
  const server = await makeSummarizingServer(options.directory, gb, '18');
  const all = incrementalPeers(server, {
    level: Number(options.level),
    jobs: Number(options.jobs),
    pgBackRest,
  });
  const pages: number[] = [];
  try {
    for (const peer of all) await peer.prepare();
    const backups = await rounds(Number(options.rounds), all, async (peer, first) => {
      if (first) pages.push(await server.change(Number(options.rows)));
      return () => peer.backUp();
    });
    const share = ((100 * median(pages) * 8192) / server.bytes).toFixed(2);
    print(`${gb} GB, ${median(pages)} changed pages (${share} %), ${options.rounds} rounds`, backups);
    const into = join(server.directory, 'restored');
    const restores = await rounds(Number(options.restores), all, async (peer) => {
      await sh(`rm -rf ${into}; sync`);
      return () => peer.restore(into);
    });
    if (Number(options.restores) > 0)
      print(`The third incremental backup restored, ${options.restores} rounds`, restores);
  } finally {
    for (const peer of all) await peer.end?.();
    await server.remove();
  }
}

/** In turns, so that whatever else the machine does is shared by all; the first round is not counted. */
async function rounds(
  count: number,
  all: readonly IncrementalPeer[],
  prepare: (peer: IncrementalPeer, first: boolean) => Promise<() => Promise<void>>,
): Promise<Map<string, number[]>> {
  const seconds = new Map(all.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; count > 0 && round <= count; round += 1) {
    for (const peer of all) {
      const work = await prepare(peer, peer === all[0]);
      const began = performance.now();
      await work();
      const took = (performance.now() - began) / 1000;
      if (round > 0) seconds.get(peer.name)?.push(took);
      const which = round === 0 ? 'warm-up' : `round ${round}`;
      process.stderr.write(`${which}: ${peer.name}: ${took.toFixed(2)} s\n`);
    }
  }
  return seconds;
}

function print(title: string, seconds: Map<string, number[]>): void {
  say(`\n${title}:\n`);
  say('| | seconds | Holdfast is |');
  say('| --- | ---: | ---: |');
  const [ours = NaN] = [...seconds.values()].map(median);
  for (const [name, runs] of seconds)
    say(`| ${name} | ${median(runs).toFixed(2)} | ${(median(runs) / ours).toFixed(2)} × |`);
}
