-- Events, what they are deduplicated by, and their deliveries.

-- One partition a day. The id is a UUIDv7, so a range of ids is a range of time and an id alone finds its partition.
-- Partitions are made ahead and dropped by the service (EVENT_RETENTION).
create table events (
  id uuid not null,
  organization_id uuid not null,
  type text not null,
  -- The JSON text as it came: what is delivered is byte for byte what was stored.
  payload text not null,
  dedup_id text,
  created_at timestamptz not null,
  -- pending until acknowledged or delivered; "retrying" is pending with a delivery that was tried.
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
  finished_at timestamptz,
  attempts smallint not null default 0,
  last_error text,
  primary key (id)
) partition by range (id);
-- Takes what no day has a partition for yet, so that an event is never refused for want of one. Its rows move to their
-- day's partition when that is made.
create table events_default partition of events default;
-- The inbox, newest first, and the same of one status.
create index events_by_organization on events (organization_id, id);
create index events_by_status on events (organization_id, status, id);

create table event_dedup (
  organization_id uuid not null,
  dedup_id text not null,
  event_id uuid not null,
  -- SHA-256 of type and payload: tells a repeat from another event under the same id.
  content_hash bytea not null,
  expires_at timestamptz not null,
  primary key (organization_id, dedup_id)
);
create index event_dedup_by_expiry on event_dedup (expires_at);

-- Only what is still to be delivered by webhook: small and hot, apart from the events.
create table deliveries (
  event_id uuid primary key,
  organization_id uuid not null,
  due_at timestamptz not null,
  attempts smallint not null default 0,
  -- Claimed until then; the fence is raised by every claim, so that a late worker cannot overwrite a newer one.
  leased_until timestamptz,
  fence integer not null default 0,
  last_error text
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create index deliveries_due on deliveries (organization_id, due_at);

-- When each organization was last served, so that claiming goes round.
create table delivery_turns (
  organization_id uuid primary key,
  served_at timestamptz not null default '-infinity'
) with (fillfactor = 70);

-- The breaker of an address: open until then, with one probe at a time. Another address starts afresh.
create table webhook_breakers (
  organization_id uuid primary key,
  address text not null,
  failures integer not null default 0,
  -- Also set when the receiver asked to be left alone (Retry-After).
  open_until timestamptz,
  -- The time was over and one delivery is on its way to find out.
  is_probing boolean not null default false
);

-- One row an attempt, a partition a day by time.
create table delivery_attempts (
  event_id uuid not null,
  organization_id uuid not null,
  number smallint not null,
  at timestamptz not null,
  status_code smallint,
  duration_ms integer not null,
  error text
) partition by range (at);
create table delivery_attempts_default partition of delivery_attempts default;
create index delivery_attempts_by_event on delivery_attempts (event_id, at);
create index delivery_attempts_by_organization on delivery_attempts (organization_id, at);

create table inbox_leases (
  event_id uuid primary key,
  organization_id uuid not null,
  until timestamptz not null
);
create index inbox_leases_by_expiry on inbox_leases (until);
