// A server that somebody else runs: databases come and go in it, nothing else is touched.
import type { TestCluster } from '../test-cluster.ts';
import { withClient } from '../sql-client.ts';

export async function existingServer(superuserUrl: string): Promise<TestCluster> {
  const version = await withClient(superuserUrl, (client) =>
    client.value<number>(`select current_setting('server_version_num')::int / 10000`),
  );

  const refuse = (what: string) => async () => {
    throw new Error(`the server of TEST_POSTGRES_URL is not ours to ${what}`);
  };
  return {
    version,
    dataDirectory: undefined,
    archiveDirectory: undefined,
    url({ database, user, password } = {}) {
      const url = new URL(superuserUrl);
      if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`;
      if (user !== undefined) {
        url.username = encodeURIComponent(user);
        url.password = encodeURIComponent(password ?? '');
      }
      return url.href;
    },
    stop: refuse('stop'),
    start: refuse('start'),
    restart: refuse('restart'),
    configure: refuse('configure'),
    archiving: { fail: refuse('break'), recover: refuse('mend') },
    serverDirectory: refuse('make directories on'),
    async remove() {},
  };
}
