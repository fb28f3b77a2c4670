-- What the service itself sees happen is an event of the built-in organization, so that a webhook can be pointed at it.
-- A trigger writes it in the transaction of the audit entry, whoever makes that: a request or the command line. The
-- event has the id of its entry.
insert into organizations (id, name, tier, created_at, updated_at)
values ('0198f000-0000-7000-8000-000000000001', 'IronTrack', 'enterprise', now(), now());

create function publish_happening() returns trigger language plpgsql as $$
begin
  insert into events (id, organization_id, type, payload, created_at)
  values (new.id, '0198f000-0000-7000-8000-000000000001', new.action,
    jsonb_build_object('actor_id', new.actor_id, 'subject_id', new.subject_id, 'session_id', new.session_id,
      'ip_address', new.ip_address, 'user_agent', new.user_agent, 'request_id', new.request_id,
      'details', new.details)::text,
    new.at);
  insert into deliveries (event_id, organization_id, due_at)
  select new.id, o.id, new.at from organizations o
  where o.id = '0198f000-0000-7000-8000-000000000001' and o.webhook_url <> '' and o.webhook_disabled_at is null;
  -- Deliverers are woken when this commits, rather than finding it at their next look.
  if found then
    perform pg_notify('irontrack_changes', 'deliveries');
  end if;
  return null;
end
$$;

create trigger audit_entries_publish after insert on audit_entries for each row
  when (new.action in ('user.created', 'user.signed_in', 'user.deleted', 'session.revoked', 'refresh.reused',
    'role.changed')) execute function publish_happening();
