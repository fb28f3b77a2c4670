/** The map: builds every part and mounts every module, in reading order. The only place where they are wired. */
import cors from '@fastify/cors';
import { Exercise } from '@irontrack/contract/exercises.ts';
import buildSerializer from 'fast-json-stringify';
import { mountAccess } from './accounts/access.routes.ts';
import { createAccounts } from './accounts/accounts.ts';
import { createAttemptLimits } from './accounts/attempt-limits.ts';
import { mountAuth } from './accounts/auth.routes.ts';
import { mountApiKeys } from './api-keys/api-keys.routes.ts';
import { createApiKeys } from './api-keys/api-keys.ts';
import { createKeyHolders } from './api-keys/key-holders.ts';
import { createSignupLimit } from './api-keys/signup-limit.ts';
import { mountAudit } from './audit/audit.routes.ts';
import { createAudit } from './audit/audit.ts';
import type { Counters } from './cache/counters.ts';
import { createMemoryCache } from './cache/memory-cache.ts';
import { createMemoryCounters } from './cache/memory-counters.ts';
import { createValkey, unshared } from './cache/valkey/valkey.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { createHashQueue } from './crypto/hash-queue.ts';
import { createPasswordHasher } from './crypto/password-hash.ts';
import type { SigningKey } from './crypto/signing-key.ts';
import {
  type Announcements,
  type ChangeListener,
  type ChangeTopic,
  isChangeTopic,
  listenForChanges,
  tellChange,
} from './database/announcements.ts';
import { followChanges } from './database/followed-changes.ts';
import type { DatabasePlaces } from './database/route.ts';
import { openServingDatabase } from './database/serving-database.ts';
import { mountEvents } from './events/events.routes.ts';
import { createEvents } from './events/events.ts';
import { mountInbox } from './events/inbox.routes.ts';
import { canSearchByIndex } from './exercises/exercise-list.sql.ts';
import { createExerciseList } from './exercises/exercise-list.ts';
import { mountExercises } from './exercises/exercises.routes.ts';
import { createExercises } from './exercises/exercises.ts';
import { createListShortcut } from './exercises/list-shortcut.ts';
import { createPageCache } from './exercises/page-cache.ts';
import { mountReferenceList } from './exercises/reference-lists.routes.ts';
import { createReferenceLists } from './exercises/reference-lists.ts';
import { createAdmission, watchDatabase, watchEventLoop } from './http/admission.ts';
import type { App } from './http/app.ts';
import { createSessionCookies } from './http/cookies.ts';
import { guardRoutes } from './http/guard.ts';
import { holdAnswers } from './http/held-answers.ts';
import { createLazyCompiler } from './http/lazy-compiler.ts';
import { createObserver } from './http/observe.ts';
import { createOpenApi, type OpenApi } from './http/openapi.ts';
import { createRequestIds } from './http/request-id.ts';
import { createServer } from './http/server.ts';
import { documentTags } from './openapi-tags.ts';
import { mountOrganizations } from './organizations/organizations.routes.ts';
import { createOrganizations } from './organizations/organizations.ts';
import { createTierLimits, tierLimitReached } from './organizations/tier-limits.ts';
import { createWebhookSettings } from './organizations/webhook-settings.ts';
import { mountRoles } from './roles/roles.routes.ts';
import { createRoles } from './roles/roles.ts';
import { createCallers } from './sessions/callers.ts';
import { createKeyring } from './sessions/keyring.ts';
import { mountSessions } from './sessions/sessions.routes.ts';
import { createSessions } from './sessions/sessions.ts';
import { listChores } from './system/chores.ts';
import { mountDocs } from './system/docs.routes.ts';
import { type Housekeeping, startHousekeeping } from './system/housekeeping.ts';
import { mountSystem } from './system/system.routes.ts';
import { createSystem, type Lifecycle, probeMemoryCache } from './system/system.ts';
import { createFailureLog } from './telemetry/failure-log.ts';
import { joinPages, shareWriting } from './telemetry/joined-metrics.ts';
import { createOverloadLog } from './telemetry/overload-log.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { mountUsers } from './users/users.routes.ts';
import { createUsers } from './users/users.ts';
import { version } from './version.ts';
import { mountWebhooks } from './webhooks/webhooks.routes.ts';
import { createWebhooks } from './webhooks/webhooks.ts';
import type { Siblings } from './workers/siblings.ts';

export interface ServiceSettings {
  config: Config;
  database: DatabasePlaces;
  telemetry: Telemetry;
  loadSigningKey: () => Promise<SigningKey>;
  /** Where attempts and events are counted for the limits. Unset: in this process. */
  counters?: Counters;
  lifecycle: Lifecycle;
  clock: Clock;
  randomBytes: (size: number) => Buffer;
  /** The other workers of this node; unset: there are none. */
  siblings?: Siblings;
  /** Which of the workers this is: the first alone does what once a node is enough. */
  place?: number;
}

export interface Service {
  app: App;
  /** The OpenAPI document; needs no database. */
  openApi: OpenApi;
  /** Whatever needs the database before the first request. The schema must be up to date. */
  open(): Promise<void>;
  /** Compiles what requests need and no request has needed yet; call it once the server listens. */
  warmUp(): Promise<void>;
  /** Drops the copies of what somebody else has just changed. @param topic as in database/announcements.ts */
  forget(topic: string, id: string): void;
  /** Answers go on, but each connection is closed with its next one. */
  retire(): void;
  /** Stops listening, lets open requests finish, then closes what they needed. */
  close(): Promise<void>;
}

/** Builds the service. It touches nothing outside the process until `open`, and does not listen. */
export async function createService(settings: ServiceSettings): Promise<Service> {
  const { config, telemetry, lifecycle, clock, randomBytes, siblings, place = 0 } = settings;
  const { log, metrics } = telemetry;

  const { database, lists, replica, reads, line, ...pools } = openServingDatabase({
    places: settings.database,
    limits: config.database,
    log,
    onWait: metrics.connectionWaited,
    onRefused: (cost) => metrics.admissionRefused('database-queue', cost),
    onListRead: metrics.listRead,
  });
  const hashQueue = createHashQueue({
    concurrency: config.hashing.concurrency,
    maxWaitMs: config.hashing.maxWaitMs,
    now: () => performance.now(),
    onWait: metrics.hashWaited,
  });
  const passwords = createPasswordHasher({
    parameters: config.hashing.parameters,
    queue: hashQueue,
    randomBytes,
  });
  const admission = createAdmission({
    pressures: [
      watchEventLoop(config.overload.maxEventLoopDelayMs, () => performance.now()),
      watchDatabase(config.database.queue, () => [database.load(), sessions.load()]),
    ],
    refusePassword: hashQueue.refusal,
    onRefused: metrics.admissionRefused,
    onChange: createOverloadLog(log, () => performance.now()),
  });
  const cookies = createSessionCookies(config.cookies);
  const local = settings.counters ?? createMemoryCounters(clock);
  const valkey = createValkey({
    address: config.valkey,
    local,
    version,
    randomBytes,
    log,
    onNews: (payload) => tellChange(listener, payload),
  });
  const counters = valkey?.counters ?? local;
  const limits = createAttemptLimits(config.rateLimit, counters, metrics.limiterRefused);

  const audit = createAudit({ database, reads, clock });
  const keyring = createKeyring({
    database,
    audit,
    clock,
    loadSigningKey: settings.loadSigningKey,
    accessTtlMs: config.tokens.accessTtlMs,
    onCut: () => callers.forgetTokens(),
  });
  const { issuer, audience } = config.tokens;
  const { share } = valkey ?? unshared;
  const callers = createCallers({ database, clock, keyring, issuer, audience, share });
  const roles = createRoles({ database, audit, clock, forgetUser: forgetEverywhere('user') });
  const sessions = createSessions({
    database,
    audit,
    clock,
    keyring,
    callers: {
      ...callers,
      forgetUser: forgetEverywhere('user'),
      forgetSession: forgetEverywhere('session'),
    },
    randomBytes,
    lifetimes: config.tokens,
    token: { issuer, audience },
    line,
    onReuse: metrics.refreshReused,
  });
  const accounts = createAccounts({ database, audit, clock, sessions, passwords, limits });
  const users = createUsers({ database, reads, audit, clock, passwords, sessions });
  const pages = createPageCache();
  const { cdnUrl } = config;
  const compiler = createLazyCompiler();
  const referenceLists = createReferenceLists({ database, audit, forgetPages: () => forgetExercises('all') });
  const forgetExercises = forgetEverywhere('exercises');
  const exercises = createExercises({
    database,
    audit,
    clock,
    cdnUrl,
    forgetPagesOf: (ownerId) => forgetExercises(ownerId ?? 'system'),
  });
  const exerciseList = createExerciseList({
    reads,
    pages,
    cdnUrl,
    serialize: compiler.defer(() => buildSerializer(Exercise)),
  });
  const forgetOrganization = forgetEverywhere('organization');
  const organizations = createOrganizations({ database, audit, clock, forgetEverywhere: forgetOrganization });
  const webhookSettings = createWebhookSettings({
    database,
    audit,
    clock,
    randomBytes,
    forgetOrganization,
  });
  const tierLimits = createTierLimits(counters, clock);
  const keyHolders = createKeyHolders({ database, clock, organizations });
  const apiKeys = createApiKeys({
    database,
    audit,
    clock,
    randomBytes,
    keyHolders: { forgetKey: forgetEverywhere('api-key') },
    signupLimit: createSignupLimit(config.rateLimit, counters, () =>
      metrics.limiterRefused('key', 'address'),
    ),
  });
  const events = createEvents({
    database,
    reads,
    clock,
    randomBytes,
    now: () => performance.now(),
    ingest: config.events.ingest,
    onFlush: metrics.eventsFlushed,
    onDeliveries: () => webhooks.announceDue(),
  });
  const webhooks = createWebhooks({
    database,
    clock,
    random: Math.random,
    ...config.webhooks,
    onAttempt: metrics.deliveryAttempted,
    onFailure: (error) => log.error({ err: error }, 'Webhooks cannot be delivered at the moment.'),
  });
  const system = createSystem({
    database,
    probeCache: valkey?.probe ?? (() => probeMemoryCache(createMemoryCache('probe', 1))),
    valkey: valkey?.state,
    lifecycle,
    version,
  });
  metrics.observe({
    database: lists,
    hashQueue,
    admission,
    replica,
    ingest: events,
    deliveries: webhooks,
    valkey: valkey?.state,
    caches: [
      ...callers.caches,
      ...(valkey?.caches ?? []),
      pages.counts,
      organizations.cache,
      keyHolders.cache,
    ],
  });

  const openApi = createOpenApi({
    title: 'IronTrack',
    version,
    description:
      'Accounts, sessions, users, roles and the exercise catalog. Times are ISO 8601 in UTC, ids are UUIDv7, those of ' +
      'the reference lists integers.',
    cookieName: cookies.accessName,
    tags: documentTags,
  });
  const observer = createObserver({
    accessLog: telemetry.accessLog,
    histogram: metrics.requests,
    makeRequestId: createRequestIds(randomBytes),
    clock: () => performance.now(),
    isSecure: config.cookies.secure,
    variesByOrigin: config.corsOrigins.length > 0,
    admits: admission.admits,
  });
  const report = createFailureLog(log, () => performance.now());
  const app = createServer({
    observer,
    compiler,
    trustedProxies: config.trustedProxies,
    maxConnections: config.overload.maxConnections,
    onConnectionDropped: metrics.connectionDropped,
    report,
  });
  if (config.corsOrigins.length > 0) {
    await app.register(cors, {
      origin: [...config.corsOrigins],
      credentials: true,
      // The plugin's own default leaves out the last two.
      methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
      exposedHeaders: ['x-request-id', 'retry-after'],
      // An OPTIONS that is no preflight gets 204 too, rather than an error that is not of our shape.
      strictPreflight: false,
    });
  }
  if (siblings !== undefined) holdAnswers(app, siblings.heard);
  app.addHook('onRoute', (route) => openApi.add(route));
  guardRoutes(app, {
    authenticate: callers.authenticate,
    authenticateKey: keyHolders.authenticateKey,
    allowanceOf: tierLimits.allowanceOf,
    cookies,
    allowedOrigins: new Set(config.corsOrigins),
  });
  admission.mount(app);

  mountAudit(app, { audit });
  mountRoles(app, { roles });
  mountSessions(app, { sessions, keyring });
  mountAccess(app, { accounts, sessions, limits, cookies, authenticate: callers.authenticate });
  mountAuth(app, { accounts, sessions, limits });
  mountUsers(app, { users });
  for (const list of referenceLists) mountReferenceList(app, list);
  mountExercises(app, {
    exercises,
    exerciseList,
    shortcut: createListShortcut({ authenticate: callers.authenticate, cookies, exerciseList }),
  });
  mountOrganizations(app, { organizations, webhookSettings });
  mountApiKeys(app, { apiKeys, signup: config.keySignup });
  mountEvents(app, {
    events,
    authenticateKey: keyHolders.authenticateKey,
    report,
    storedStatus: config.events.storedStatus,
    limits: { ...tierLimits, refusal: (allowance) => tierLimitReached(allowance, clock()) },
  });
  mountInbox(app, { events });
  mountWebhooks(app, { webhooks, organizations, events, audit, database });
  mountSystem(app, {
    system,
    openApi,
    metrics: shareWriting(siblings === undefined ? metrics.page : joinPages(metrics, siblings.collect)),
  });
  mountDocs(app);
  await app.ready();

  /**
   * What drops a copy here, before the answer leaves in the other workers of this node, and in other nodes through Valkey,
   * besides PostgreSQL.
   */
  function forgetEverywhere(topic: ChangeTopic): (id: string) => void {
    return (id) => {
      listener.changed(topic, id);
      siblings?.tell(topic, id);
      valkey?.announce(`${topic}:${id}`);
    };
  }

  const listener: ChangeListener = followChanges({
    drop: {
      user: callers.forgetUser,
      session: callers.forgetSession,
      exercises: forgetPages,
      organization: organizations.forget,
      'api-key': keyHolders.forgetKey,
      deliveries: () => webhooks.wake(),
      'signing-keys': () => void reloadKeys(),
    },
    copies: [callers, keyring, pages, organizations, keyHolders],
    log,
    onHeardAgain: () => void reloadKeys(),
  });

  /** @param scope `system`, `all`, or whose rows changed */
  function forgetPages(scope: string): void {
    if (scope === 'all') pages.forgetAll();
    else pages.forget(scope === 'system' ? null : scope);
  }

  async function reloadKeys(): Promise<void> {
    try {
      await keyring.catchUp();
    } catch (error) {
      if (isClosing) return;
      log.error(
        { err: error },
        'The signing keys could not be read anew; the old ones stay in use until they are.',
      );
    }
    callers.forgetTokens();
  }

  const chores = listChores({
    keyring,
    sessions,
    audit,
    events,
    auditRetentionMs: config.auditRetentionMs,
    eventRetentionMs: config.events.retentionMs,
  });

  let housekeeping: Housekeeping | undefined;
  let announcements: Announcements | undefined;
  let isClosing = false;

  return {
    app,
    openApi,
    async open() {
      await keyring.open();
      const joined = valkey?.open(database.sql);
      await events.prepare();
      if (!(await canSearchByIndex(database.sql))) {
        log.warn(
          'This PostgreSQL has no pg_trgm: a search of exercises reads every row it could find. Install the extension.',
        );
      }
      announcements = await listenForChanges(settings.database.directAddress, listener);
      await joined;
      if (config.webhooks.deliversHere) webhooks.start();
      admission.start();
      replica?.open();
      const own = place === 0 ? chores : chores.filter(({ isOfProcess }) => isOfProcess);
      housekeeping = startHousekeeping(own, clock, (name, error) => {
        log.error({ err: error }, `Could not ${name}.`);
      });
    },
    warmUp: compiler.finish,
    forget(topic, id) {
      if (isChangeTopic(topic)) listener.changed(topic, id);
    },
    retire: () => observer.retire(),
    async close() {
      isClosing = true;
      keyring.close();
      housekeeping?.stop();
      admission.stop();
      await app.close();
      await events.drain();
      await webhooks.close();
      await announcements?.close();
      await valkey?.close();
      await pools.close();
    },
  };
}
