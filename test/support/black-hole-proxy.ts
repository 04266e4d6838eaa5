// A TCP proxy that can turn into a black hole, as a network does when a firewall forgets a connection or a host loses
// power: sockets stay open, and nothing comes through, not even the news that the other end has gone.
import { createServer, connect as dial, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import { StartupReader } from './startup-packet.ts';

export interface BlackHoleProxy {
  readonly port: number;
  /** The same postgres URL, through the proxy. */
  url(url: string): string;
  /** The application names of the connections that are open, '' where there is none. */
  connections(): string[];
  /** Nothing is forwarded any more; new connections are accepted and never answered. */
  freeze(): void;
  /** The same for the connections, open or to come, whose startup packet carries such an application_name. */
  freezeOnly(which: (applicationName: string) => boolean): void;
  /** Everything that was held back is delivered. */
  thaw(): void;
  /** Resets every connection, both ends. */
  sever(): void;
}

export async function blackHoleProxy(
  t: Pick<ExecutionContext, 'teardown'>,
  targetHost: string,
  targetPort: number,
): Promise<BlackHoleProxy> {
  const links = new Set<Link>();
  let swallows: (applicationName: string) => boolean = () => false;

  const server: Server = createServer(
    { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
    (client) => {
      const link = new Link(
        client,
        () => dial({ host: targetHost, port: targetPort, allowHalfOpen: true }),
        swallows,
      );
      links.add(link);
      client.once('close', () => links.delete(link));
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const obey = (rule: typeof swallows) => {
    swallows = rule;
    for (const link of links) link.obey(rule);
  };
  const proxy: BlackHoleProxy = {
    port,
    url(url) {
      const changed = new URL(url);
      changed.hostname = '127.0.0.1';
      changed.port = String(port);
      return changed.href;
    },
    connections: () => [...links].map((link) => link.applicationName ?? ''),
    freeze: () => obey(() => true),
    freezeOnly: obey,
    thaw: () => obey(() => false),
    sever: () => links.forEach((link) => link.sever()),
  };
  t.teardown(async () => {
    proxy.sever();
    server.close();
    await once(server, 'close');
  });
  return proxy;
}

/**
 * One client's connection and, from the first byte that is let through on, ours to the server. A frozen link does not
 * read: what either end sends waits in the sockets, as on a network that drops packets it waits to be sent again.
 */
class Link {
  applicationName: string | undefined;

  #client: Socket;
  #server: Socket | undefined;
  #dial: () => Socket;
  #swallows: (applicationName: string) => boolean;
  #startup = new StartupReader();
  #heldBack: Buffer[] = [];

  constructor(client: Socket, dialServer: () => Socket, swallows: (applicationName: string) => boolean) {
    this.#client = client;
    this.#dial = dialServer;
    this.#swallows = swallows;
    client.on('error', () => {});
    client.on('data', (bytes: Buffer) => this.#fromClient(bytes));
    client.on('end', () => this.#server?.end());
    client.on('close', () => this.#server?.destroy());
    this.obey(swallows);
  }

  obey(swallows: (applicationName: string) => boolean): void {
    this.#swallows = swallows;
    if (this.#frozen()) {
      this.#client.pause();
      this.#server?.pause();
      return;
    }
    this.#deliver();
    this.#client.resume();
    this.#server?.resume();
  }

  sever(): void {
    reset(this.#client);
    if (this.#server) reset(this.#server);
  }

  /** A link whose name is not known yet is frozen by a rule for all names only: it has to be read to know the name. */
  #frozen(): boolean {
    return this.applicationName === undefined
      ? this.#swallows('') && this.#swallows('any other name')
      : this.#swallows(this.applicationName);
  }

  #fromClient(bytes: Buffer): void {
    this.#heldBack.push(bytes);
    if (this.applicationName === undefined) {
      this.applicationName = this.#startup.read(bytes);
      if (this.#frozen()) return this.obey(this.#swallows);
    }
    this.#deliver();
  }

  #deliver(): void {
    if (this.#heldBack.length === 0) return;
    this.#server ??= this.#connectServer();
    for (const bytes of this.#heldBack.splice(0)) this.#server.write(bytes);
  }

  #connectServer(): Socket {
    const server = this.#dial();
    server.setNoDelay(true);
    server.on('error', () => {});
    server.on('data', (bytes) => this.#client.write(bytes));
    server.on('end', () => this.#client.end());
    server.on('close', () => this.#client.destroy());
    return server;
  }
}

/**
 * Ends a connection with RST, at once. Node's resetAndDestroy() first sends what is queued and then the end of the
 * stream; should the connection break meanwhile, its handle is never closed, and the process never exits. The same
 * happens where end() is under way already: then it is too late for more than the end of the stream.
 */
function reset(socket: Socket): void {
  if (!socket.writableEnded && !socket.connecting) Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}
