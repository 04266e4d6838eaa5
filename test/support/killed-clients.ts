// Run by black-hole-proxy.test.ts: kills clients of a proxy, after which no socket of it may be left.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { blackHoleProxy } from './black-hole-proxy.ts';
import { eventually } from './eventually.ts';
import { moment } from './moments.ts';

const connections = 30;
const portOfProxy = process.argv[2];
if (portOfProxy === undefined) {
  await main();
} else {
  talk(Number(portOfProxy));
}

async function main(): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(Buffer.alloc(Math.random() < 0.3 ? 300_000 : 10)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (let round = 0; round < 8; round++) await killTalkers(port, round);
  server.close();
  await eventually('no socket is left', () => !process.getActiveResourcesInfo().includes('TCPSocketWrap'));
}

/** In every other round some are frozen; in each they talk for longer, so that more of them wait for full buffers. */
async function killTalkers(port: number, round: number): Promise<void> {
  const endings: (() => Promise<void> | void)[] = [];
  const proxy = await blackHoleProxy({ teardown: (ending) => endings.push(ending) }, '127.0.0.1', port);
  const talkers = spawn(process.execPath, [fileURLToPath(import.meta.url), String(proxy.port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(talkers.stdout, 'data');
  if (round % 2 === 1) proxy.freezeOnly((name) => name === 'frozen');
  await moment(5 * round);
  talkers.kill('SIGKILL');
  await once(talkers, 'exit');
  for (const ending of endings) await ending();
}

function talk(port: number): void {
  let connected = 0;
  for (let number = 0; number < connections; number++) {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(startupPacket(number % 2 === 0 ? 'frozen' : 'free'));
      setInterval(() => socket.write('x'.repeat(1000)), 2);
      if (++connected === connections) console.log('all connected');
    });
    if (number % 3 !== 0) socket.resume();
  }
}

function startupPacket(applicationName: string): Buffer {
  const parameters = Buffer.from(`user\0somebody\0application_name\0${applicationName}\0\0`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(head.length + parameters.length, 0);
  head.writeUInt32BE(196608, 4);
  return Buffer.concat([head, parameters]);
}
