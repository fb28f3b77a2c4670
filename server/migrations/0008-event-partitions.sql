-- Makes and drops the partitions of events and attempts. The service says which; only the DDL is here, since the name of
-- a table cannot be a parameter.

-- Neither waits long for a lock: whoever comes after would wait along. The service tries again.
create function make_partition(parent text, key_column text, part text, low text, high text) returns boolean
language plpgsql set lock_timeout = '250ms' as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('partitions of ' || parent, 0));
  if to_regclass(part) is not null then return false; end if;
  execute format('create table %I (like %I including defaults including constraints)', part, parent);
  -- What came before there was a partition for it.
  execute format(
    'with moved as (delete from %I where %I >= %L and %I < %L returning *) insert into %I select * from moved',
    parent || '_default', key_column, low, key_column, high, part);
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, part, low, high);
  return true;
end
$$;

create function drop_partition(parent text, part text) returns void
language plpgsql set lock_timeout = '250ms' as $$
begin
  perform 1 from pg_inherits where inhparent = parent::regclass and inhrelid = part::regclass;
  if not found then raise exception '% is no partition of %', part, parent; end if;
  execute format('drop table %I', part);
end
$$;
