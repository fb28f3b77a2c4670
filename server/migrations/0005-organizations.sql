-- Organizations that push events, and the keys they do it with.

create table organizations (
  id uuid primary key,
  name text not null check (char_length(name) between 1 and 255),
  tier text not null default 'free' check (tier in ('free', 'pro', 'business', 'enterprise')),
  -- Where events are delivered; '' is nowhere. Kept to the byte as it was given.
  webhook_url text not null default '' check (char_length(webhook_url) <= 2048),
  -- Signs deliveries; the one before it signs along until its time is over. Needed in clear to sign.
  webhook_secret bytea,
  previous_webhook_secret bytea,
  previous_webhook_secret_until timestamptz,
  -- Set when the address answered 410 Gone; a new address clears it.
  webhook_disabled_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index organizations_by_created_at on organizations (created_at, id);

create table api_keys (
  -- SHA-256 of the key, which itself is kept nowhere.
  hash bytea primary key check (length(hash) = 32),
  organization_id uuid not null references organizations (id) on delete cascade,
  created_at timestamptz not null,
  revoked_at timestamptz
);
create index api_keys_by_organization on api_keys (organization_id) where revoked_at is null;

create trigger organizations_announce_update after update on organizations for each row
  when (old.* is distinct from new.*) execute function announce_change('organization');
create trigger organizations_announce_delete after delete on organizations for each row
  execute function announce_change('organization');

create function announce_key() returns trigger language plpgsql as $$
begin
  perform pg_notify('irontrack_changes', 'api-key:' || encode(old.hash, 'hex'));
  return null;
end
$$;
create trigger api_keys_announce_update after update on api_keys for each row execute function announce_key();
create trigger api_keys_announce_delete after delete on api_keys for each row execute function announce_key();
