/** For testWhen(): why there are no chores here; undefined when there are. */
export const noChores =
  Number(process.env['TEST_PG_VERSION'] ?? 18) < 13 ? 'the queue of chores needs PostgreSQL 13' : undefined;
