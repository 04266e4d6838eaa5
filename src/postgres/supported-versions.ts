/** The major versions of PostgreSQL whose servers, data directories and WAL Holdfast supports. */

/** The oldest and the newest major version. */
export const supportedVersions = { oldest: 12, newest: 19 } as const;

/** The versions for messages: PostgreSQL 12 to 19. */
export const supportedPostgres = `PostgreSQL ${supportedVersions.oldest} to ${supportedVersions.newest}`;

/** Whether Holdfast supports this major version. */
export function isSupportedMajor(major: number): boolean {
  return major >= supportedVersions.oldest && major <= supportedVersions.newest;
}
