-- The public halves of the keys that sign access tokens. The private halves never get here.

create table signing_keys (
  kid text primary key,
  public_jwk jsonb not null,
  created_at timestamptz not null,
  -- Tokens of this key are accepted until then. The process that signs with a key keeps moving this ahead; once it
  -- signs with another one the time stands still, a token lifetime after the last signature.
  verify_until timestamptz not null,
  -- Set when the key was cut off: nobody moves its time ahead again, whoever still holds it.
  revoked_at timestamptz
);

create function announce_signing_keys() returns trigger language plpgsql as $$
begin
  perform pg_notify('irontrack_changes', 'signing-keys:');
  return null;
end
$$;

-- Moving verify_until ahead is not news to anybody; a new key or one that is cut short is.
create trigger signing_keys_announce_insert after insert on signing_keys for each row
  execute function announce_signing_keys();
create trigger signing_keys_announce_cut after update on signing_keys for each row
  when (new.verify_until < old.verify_until) execute function announce_signing_keys();
create trigger signing_keys_announce_delete after delete on signing_keys for each row
  execute function announce_signing_keys();
