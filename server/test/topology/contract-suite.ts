/** The contract tests through a whole deployment: what the run needs, and which tests cannot be part of it and why. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate } from './nginx.ts';

const clock = 'moves the clock of the service, which is in its process';
const inside = 'asks what nginx keeps in: metrics and health';
const perProcess = 'counts on the limit of one process; here there are several';

/** Whole files, by their name in server/test/contract. */
export const leftOutFiles: Readonly<Record<string, string>> = {
  'import-exercises.test.ts': 'runs a command: no HTTP',
  'route-declarations.test.ts': 'builds an application in its process: no HTTP',
  'seed.test.ts': 'runs commands: no HTTP',
  'tidying.test.ts': 'moves the timers of the service, which are in its process',
};

/** Single tests by the file's name and theirs, each with why. */
export const leftOutTests: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'audit.test.ts': {
    'a logout, an ended session and a reused refresh token are recorded with their session': clock,
  },
  'caches.test.ts': {
    'a refresh on one node makes a session live on for another that knew its old end': clock,
  },
  'errors.test.ts': {
    'an unknown query parameter is refused on every route': inside,
    'a path that does not exist is not found, whoever asks and however':
      'nginx refuses /..%2f itself, with 400',
    'every answer carries a request id and the security headers': 'nginx adds the header Server',
  },
  'event-tidying.test.ts': {
    'a dedup_id is free again after 24 hours, not a moment sooner': clock,
    'an event of a day without a partition is taken, and moves to it when it is made': clock,
    'partitions older than the retention are dropped, with the marks that ran out, and no younger ones':
      clock,
  },
  'events.test.ts': {
    'the 101st event of a free organization in a minute is refused, and the next minute takes events again':
      clock,
    'the figures of ingest are counted': inside,
    'a queue that is full answers 503 with Retry-After, and nothing of that is stored': perProcess,
  },
  'exercises.test.ts': {
    'a change leaves what is absent, replaces what is given and clears what may be null': clock,
  },
  'happenings.test.ts': {
    'a spent refresh token that comes back is an event': clock,
  },
  'inbox.test.ts': {
    'an acknowledged event is delivered; a second time says the same': clock,
    'leased events are hidden from other leases until the lease ends or they are acknowledged': clock,
  },
  'key-rotation.test.ts': {
    "a key that was nobody's works once it is somebody's": clock,
  },
  'key-signup.test.ts': {
    'an address elsewhere gets 30 keys, and another its own':
      'claims addresses in X-Forwarded-For, which nginx replaces',
  },
  'openapi.test.ts': {
    'the document holds every route that is mounted, and none that is not':
      'compares with the routes of the application in the process',
  },
  'session-lifetime.test.ts': {
    'a second use of a refresh token within ten seconds gets the same successor': clock,
    'a use of a refresh token after its grace ends the session and is recorded': clock,
    'a refresh token that was tampered with ends nothing': clock,
    'an access token is good until it expires, and the session goes on after it': clock,
    'a session that is not refreshed ends at its idle end': clock,
    'a session ends at its absolute end however often it is refreshed, with its access token': clock,
    'a logout takes a good refresh cookie beside rubbish, and an access cookie that has expired': clock,
  },
  'sessions.test.ts': {
    'a person sees the own sessions, the last used first, each with exactly seven fields': clock,
    'a refresh is seen in the list of sessions as the same session, later': clock,
  },
  'signing-keys.test.ts': {
    'the very first request whose token has a key that the node must look up is served': clock,
  },
  'system.test.ts': {
    'health says that the database and the cache are online, the name and the version': inside,
    'health says that the database is offline when it takes no connections, while ping goes on': inside,
    'a node is ready while it serves, and neither while it starts nor while it drains': inside,
    'what an orchestrator asks is answered with ok': inside,
    'metrics are Prometheus text with the requests by route and status, and no path that a client made up':
      inside,
    'the system routes need no account': inside,
  },
  'users.test.ts': {
    'a superuser changes name and e-mail, and nothing else changes': clock,
  },
};

export interface TopologyRun {
  /** For the processes of the tests. */
  environment: Readonly<Record<string, string>>;
  /** Names of tests to leave out. */
  leftOut: readonly RegExp[];
}

/** @param folder lives as long as the run */
export function prepareTopologyRun(folder: string): TopologyRun {
  const certificates = join(folder, 'certificates');
  mkdirSync(certificates);
  const certificate = makeCertificate(certificates);
  return {
    environment: {
      TEST_TOPOLOGY: 'nginx',
      TEST_TOPOLOGY_CERTIFICATE: certificates,
      NODE_EXTRA_CA_CERTS: certificate.chain,
    },
    leftOut: Object.values(leftOutTests)
      .flatMap((tests) => Object.keys(tests))
      .map((name) => new RegExp(`^${RegExp.escape(name)}$`)),
  };
}
