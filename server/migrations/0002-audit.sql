-- The audit trail. No foreign keys: an entry outlives the account it speaks of.

create table audit_entries (
  -- UUIDv7, so that the primary key is also the order in time.
  id uuid primary key,
  at timestamptz not null,
  action text not null,
  actor_id uuid,
  subject_id uuid,
  session_id uuid,
  ip_address text,
  user_agent text,
  request_id text,
  details jsonb not null default '{}'
);

create index audit_entries_by_action on audit_entries (action, id);
create index audit_entries_by_subject on audit_entries (subject_id, id) where subject_id is not null;
create index audit_entries_by_actor on audit_entries (actor_id, id) where actor_id is not null;
create index audit_entries_by_time on audit_entries (at, id);
