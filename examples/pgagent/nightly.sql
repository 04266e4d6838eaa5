-- A backup requested by pgAgent, every night at two. The job runs as the role that pgagent connects as: it needs
-- holdfast_requester. With method copy the worker does the rest.
DO $job$
DECLARE
  job integer;
BEGIN
  INSERT INTO pgagent.pga_job (jobjclid, jobname, jobdesc)
  SELECT jclid, 'holdfast nightly', 'Requests a backup' FROM pgagent.pga_jobclass WHERE jclname = 'Routine Maintenance'
  RETURNING jobid INTO job;

  INSERT INTO pgagent.pga_jobstep (jstjobid, jstname, jstkind, jstdbname, jstcode)
  VALUES (job, 'request', 's', current_database(), $sql$
    INSERT INTO holdfast.backup_request (label, method) VALUES ('nightly ' || current_date, 'copy')
  $sql$);

  -- One place for each minute, hour, day of the week, day of the month and month; none set: all of them.
  INSERT INTO pgagent.pga_schedule (jscjobid, jscname, jscstart, jscminutes, jschours)
  VALUES (job, 'at two', now(),
    ARRAY(SELECT minute = 0 FROM generate_series(0, 59) minute ORDER BY minute),
    ARRAY(SELECT hour = 2 FROM generate_series(0, 23) hour ORDER BY hour));
END
$job$;
