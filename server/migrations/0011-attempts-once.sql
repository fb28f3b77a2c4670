-- An attempt is on record once, however often its result is written: a worker that got no answer writes it again, and what
-- was given up may be carried out later. Its number alone would not tell it from others: a replay counts from 1 again, and a
-- worker that lost its claim was at the same attempt as the one that took over. Their times differ.

-- Nothing more comes in between.
lock table delivery_attempts in share row exclusive mode;

delete from delivery_attempts a using (
  select tableoid, ctid, row_number() over (partition by event_id, at, number) as copy from delivery_attempts
) c
where c.copy > 1 and a.tableoid = c.tableoid and a.ctid = c.ctid;

create unique index delivery_attempts_once on delivery_attempts (event_id, at, number);
-- The new one begins with the same.
drop index delivery_attempts_by_event;
