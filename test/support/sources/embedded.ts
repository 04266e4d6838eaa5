// Servers from npm's embedded binaries.
import { isMajor, majors, usual } from '../../../dev/embedded/binaries.ts';
import { createCluster } from '../../../dev/embedded/cluster.ts';
import type { OwnClusterOptions, TestCluster } from '../test-cluster.ts';
import { confirmOrigin, installedName, installedTemplate } from './installed-template.ts';
import { alterSystem, wakeArchiver } from './settings.ts';

export async function embeddedCluster({
  version = defaultVersion(),
  settings,
  initdb,
  installed,
}: OwnClusterOptions): Promise<TestCluster> {
  const from = installed && initdb === undefined ? await installedTemplate(version) : undefined;
  const cluster = await createCluster({
    version,
    ...(settings && { settings }),
    ...(initdb && { initdb }),
    ...(from && { from }),
  });
  await cluster.start();
  if (from !== undefined) await confirmOrigin(cluster.url({ database: installedName }));
  return {
    version: cluster.version,
    installedDatabase: from && installedName,
    dataDirectory: cluster.dataDirectory,
    archiveDirectory: cluster.archiveDirectory,
    url: (options) => cluster.url(options),
    stop: (mode) => cluster.stop(mode),
    start: () => cluster.start(),
    restart: (mode) => cluster.restart(mode),
    async configure(changed) {
      if (await alterSystem(cluster.url(), changed)) await cluster.restart();
    },
    archiving: {
      fail: () => cluster.failArchiving(),
      async recover() {
        await cluster.allowArchiving();
        if (cluster.running) await wakeArchiver(cluster.url());
      },
    },
    serverDirectory: (name) => cluster.makeDirectory(name),
    remove: () => cluster.remove(),
  };
}

function defaultVersion() {
  const wanted = Number(process.env['TEST_PG_VERSION'] ?? usual);
  if (!isMajor(wanted)) throw new Error(`TEST_PG_VERSION is one of ${majors.join(', ')}`);
  return wanted;
}
