import type { OwnClusterOptions, TestCluster } from '../cluster.ts';
export async function containerCluster(_options: OwnClusterOptions): Promise<TestCluster> {
  throw new Error('not yet');
}
