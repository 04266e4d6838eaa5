/**
 * npm run bench:wal: segments a second, archived by a real archiver and fetched as recovery does, beside pgBackRest.
 * Options: --segments 32 --rounds 3 --data <a script for psql that fills a database; it gets -v gb=…>
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { serverIdentity } from '../dev/embedded/server-user.ts';
import { median } from './control/statistics.ts';
import { fetchAll } from './wal/fetching.ts';
import { fetchPeers, pushPeers, type Peer } from './wal/peers.ts';
import { pushAll } from './wal/pushing.ts';
import { makeSetting, type Setting } from './wal/setting.ts';

const { values: options } = parseArgs({
  options: {
    segments: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
    data: { type: 'string', default: fileURLToPath(new URL('data.sql', import.meta.url)) },
  },
});
const segments = Number(options.segments);
const rounds = Number(options.rounds);
const say = (line: string) => process.stdout.write(`${line}\n`);

const setting = await makeSetting(segments, options.data);
try {
  say(
    `PostgreSQL ${setting.server.version}, ${segments} segments of 16 MB, zstd level 1, median of ${rounds} rounds`,
  );
  say(`as ${serverIdentity() ? "the server's own user" : 'ourselves'}, fsync on`);
  report('Archiving', await compare(pushPeers, (peer) => pushAll(setting, peer)));
  report('Fetching', await compare(fetchPeers, (peer) => fetchAll(setting, peer)));
} finally {
  await setting.end();
}

interface Result {
  name: string;
  bar: string | undefined;
  perSecond: number;
}

/** In turns, so that a machine that is busy for a while is so for all. */
async function compare(
  peersOf: (setting: Setting) => Peer[],
  measure: (peer: Peer) => Promise<number>,
): Promise<Result[]> {
  const peers = peersOf(setting);
  const seconds = new Map<string, number[]>(peers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const peer of peers) seconds.get(peer.name)?.push(await measure(peer));
  return peers.map(({ name, bar }) => ({
    name,
    bar,
    perSecond: segments / median(seconds.get(name) ?? []),
  }));
}

function report(title: string, results: Result[]): void {
  say(`\n| ${title} | segments/s | beside | ratio |\n| --- | ---: | --- | ---: |`);
  for (const { name, bar, perSecond } of results) {
    const peer = results.find((other) => other.name === bar);
    const ratio = peer ? (perSecond / peer.perSecond).toFixed(2) : '';
    say(`| ${name} | ${perSecond.toFixed(1)} | ${bar ?? ''} | ${ratio} |`);
  }
}
