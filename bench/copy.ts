/**
 * npm run bench:copy: method copy beside pg_basebackup, pgBackRest and tar | zstd, on one server of Debian's
 * PostgreSQL 15, with data that compresses about 2.6:1.
 * Options: --gb 2 (or 1,2,4,8) --rounds 3 --level 1 --jobs 2 --directory DIR
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { makeServer, type CopyServer } from './copy/server.ts';
import type { Peer } from './copy/peer.ts';
import { peers } from './copy/peers.ts';
import { printBars, printGrowth, printRound, printTable, type Sample } from './copy/report.ts';
import { measured } from './copy/measure.ts';
import { compareRestores } from './copy/restore.ts';

const { values: options } = parseArgs({
  options: {
    gb: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    level: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    directory: { type: 'string', default: tmpdir() },
  },
});

const growth: { gb: number; samples: Sample[] }[] = [];
for (const gb of options.gb.split(',').map(Number)) {
  const server = await makeServer(options.directory, gb);
  try {
    const samples = await compare(server, peers(server, Number(options.level), Number(options.jobs)));
    growth.push({ gb, samples });
    printTable(samples, { gb, level: options.level, jobs: options.jobs, rounds: options.rounds });
    printBars(samples);
    await compareRestores(server, Number(options.jobs), Number(options.rounds));
  } finally {
    await server.remove();
  }
}
if (growth.length > 1) printGrowth(growth);

/** In turns, so that whatever else the machine does is shared by all; the first round is not counted. */
async function compare(server: CopyServer, all: Peer[]): Promise<Sample[]> {
  const samples = all.map(({ name }): Sample => ({ name, runs: [], stored: 0 }));
  for (const peer of all) await peer.prepare?.();
  for (let round = 0; round <= Number(options.rounds); round += 1) {
    for (const [index, peer] of all.entries()) {
      await peer.clear();
      await server.settle();
      const run = await measured(() => peer.backUp(), peer.pid);
      const sample = samples[index];
      if (sample === undefined) continue;
      sample.stored = await peer.storedBytes();
      if (round === 0) await peer.warmedUp?.();
      if (round > 0) sample.runs.push({ ...run, bytes: server.bytes });
      printRound(round, peer.name, run, server.bytes);
    }
  }
  for (const peer of all) await peer.end?.();
  return samples;
}
