-- Accounts, their roles and their sessions.

create table roles (
  slug text primary key,
  name text not null unique
);

insert into roles (slug, name) values
  ('application-access', 'Application Access'),
  ('superuser', 'Superuser'),
  ('fitness-trainer', 'Fitness Trainer');

create table users (
  id uuid primary key,
  email text not null unique check (email = lower(email) and char_length(email) between 3 and 254),
  name text check (char_length(name) between 1 and 255),
  -- A PHC string of Argon2id, or an imported bcrypt, scrypt or PBKDF2 hash that the next sign-in renews.
  password_hash text not null,
  is_active boolean not null default true,
  -- The one statement of who is a superuser: isSuperuser of the contract is role_slug = 'superuser'.
  role_slug text not null default 'application-access' references roles (slug),
  is_primary_administrator boolean not null default false,
  created_at timestamptz not null,
  updated_at timestamptz not null
) with (fillfactor = 90);

create unique index users_one_primary_administrator on users (is_primary_administrator)
  where is_primary_administrator;
create index users_by_name on users (lower(name), id);
create index users_by_created_at on users (created_at, id);
create index users_superusers on users (id) where role_slug = 'superuser';

create table sessions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  -- How often the refresh token was rotated. The token of this generation is the only live one.
  generation integer not null default 0,
  -- Proves that a token was issued for this session; see docs/decisions/0003-refresh-tokens.md.
  tag_key bytea not null,
  current_hash bytea not null,
  previous_hash bytea,
  rotation_salt bytea,
  rotated_at timestamptz,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  idle_ends_at timestamptz not null,
  absolute_ends_at timestamptz not null,
  ended_at timestamptz,
  ended_because text,
  ip_address text,
  user_agent text
-- Refresh updates no indexed column, so with room on the page every rotation is a heap-only update.
) with (fillfactor = 70);

create index sessions_live_by_user on sessions (user_id) where ended_at is null;
create index sessions_by_user on sessions (user_id, ip_address);
create index sessions_by_absolute_end on sessions (absolute_ends_at);
create index sessions_ended on sessions (ended_at) where ended_at is not null;

-- Announcements: what makes a cached user or session stale is told to every node by the transaction that did it.
-- A trigger rather than the service does it, so that a change made by hand in psql is felt at once too.
create function announce_change() returns trigger language plpgsql as $$
begin
  perform pg_notify('irontrack_changes', tg_argv[0] || ':' || old.id);
  return null;
end
$$;

create trigger users_announce_update after update on users for each row
  when (old.* is distinct from new.*) execute function announce_change('user');
create trigger users_announce_delete after delete on users for each row
  execute function announce_change('user');
create trigger sessions_announce_end after update on sessions for each row
  when (old.ended_at is distinct from new.ended_at
    or old.absolute_ends_at is distinct from new.absolute_ends_at) execute function announce_change('session');
create trigger sessions_announce_delete after delete on sessions for each row
  when (old.ended_at is null) execute function announce_change('session');
