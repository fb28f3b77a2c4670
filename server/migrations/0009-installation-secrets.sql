-- Secrets that all nodes of an installation share and nobody outside it needs. Made by the first node that asks.
create table installation_secrets (
  purpose text primary key,
  secret bytea not null check (length(secret) = 32),
  created_at timestamptz not null default now()
);
