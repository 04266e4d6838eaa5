// A free port, from below the range that the system hands out by itself, so that no outgoing connection takes it
// while its server is being restarted. Drawn at random, so that processes that look at the same moment do not meet.
import { createServer } from 'node:net';

const first = 10_240;
const last = 32_000;
const taken = new Set<number>();

export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = first + Math.floor(Math.random() * (last - first));
    if (taken.has(port) || !(await isFree(port, host))) continue;
    taken.add(port);
    return port;
  }
  throw new Error(`found no free port between ${first} and ${last} on ${host}`);
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
