/** The names that clusters may have. The table of clusters has the same check (migrations/002-clusters.sql). */
export const clusterNamePattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
