-- Backups requested by pg_cron, in the database that has both pg_cron and Holdfast. Jobs run as the role that schedules
-- them: it needs holdfast_requester, and holdfast_operator for the last one.

-- The request, at two o'clock.
SELECT cron.schedule('holdfast request', '0 2 * * *', $$
  INSERT INTO holdfast.backup_request (label, hold_timeout)
  VALUES ('nightly ' || current_date, '2 hours')
$$);

-- The finish, at three. Only where the copy is certain to be over by then, such as a storage snapshot at half past
-- two. Otherwise let whoever copies finish.
SELECT cron.schedule('holdfast finish', '0 3 * * *', $$
  UPDATE holdfast.backup_request SET state = 'done'
  WHERE label = 'nightly ' || current_date AND state = 'running'
$$);

-- Old requests, on Sundays.
SELECT cron.schedule('holdfast prune', '30 4 * * 0', $$ SELECT holdfast.prune(interval '1 year') $$);
