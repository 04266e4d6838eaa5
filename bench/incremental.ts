/**
 * npm run bench:incremental: incremental copies beside pg_basebackup --incremental and pgBackRest's block incremental
 * backups, on one server of PostgreSQL 18 with checksums, of whose pages a few have changed.
 * Options: --gb 4 (or 1,4,16) --rounds 5 --rows 1000 --level 1 --jobs 2 --directory DIR
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toolsOf } from '../dev/debian/postgres-tools.ts';
import { setDirectory } from '../dev/debian/program-sets.ts';
import { median } from './control/statistics.ts';
import { incrementalPeers } from './incremental/peers.ts';
import { makeSummarizingServer } from './incremental/server.ts';

const { values: options } = parseArgs({
  options: {
    gb: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '1000' },
    level: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    directory: { type: 'string', default: tmpdir() },
  },
});

const say = (line: string) => process.stdout.write(`${line}\n`);
const programs = toolsOf(18, 'pg_basebackup');
if (programs === undefined)
  throw new Error('there is no PostgreSQL 18: node dev/debian-programs.ts postgresql-18');
const newest = join(setDirectory('pgbackrest'), 'usr/bin/pgbackrest');
const pgBackRest = existsSync(newest) ? newest : undefined;

for (const gb of options.gb.split(',').map(Number)) {
  const server = await makeSummarizingServer(options.directory, { gb, programs });
  const all = incrementalPeers(server, {
    level: Number(options.level),
    jobs: Number(options.jobs),
    pgBackRest,
  });
  const seconds = new Map(all.map(({ name }) => [name, [] as number[]]));
  const pages: number[] = [];
  try {
    for (const peer of all) await peer.prepare();
    for (let round = 0; round <= Number(options.rounds); round += 1) {
      pages.push(await server.change(Number(options.rows)));
      for (const peer of all) {
        const began = performance.now();
        await peer.backUp();
        const took = (performance.now() - began) / 1000;
        if (round > 0) seconds.get(peer.name)?.push(took);
        process.stderr.write(
          `${round === 0 ? 'warm-up' : `round ${round}`}: ${peer.name}: ${took.toFixed(2)} s\n`,
        );
      }
    }
  } finally {
    for (const peer of all) await peer.end?.();
    await server.remove();
  }
  print(gb, server.bytes, median(pages), seconds);
}

function print(gb: number, bytes: number, pages: number, seconds: Map<string, number[]>): void {
  const share = ((100 * pages * 8192) / bytes).toFixed(2);
  say(`\n${gb} GB, ${pages} changed pages (${share} %), medians of ${options.rounds} rounds:\n`);
  say('| | seconds | Holdfast is |');
  say('| --- | ---: | ---: |');
  const [ours = NaN] = [...seconds.values()].map(median);
  for (const [name, runs] of seconds)
    say(`| ${name} | ${median(runs).toFixed(2)} | ${(median(runs) / ours).toFixed(2)} × |`);
}
