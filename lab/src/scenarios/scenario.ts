/**
 * How a load is described in TypeScript. A scenario file exports one as `scenario`:
 *
 *   import { defineScenario } from 'irontrack-lab/scenario.ts';
 *   export const scenario = defineScenario({ name: 'ping', steps: [{ name: 'ping', request: { path: '/ping' } }] });
 *
 * Only `request` and `check` run in the timed path, and `request` only when it is a function.
 */

/** One HTTP request; `path` is under the target's URL. A body that is no string is sent as JSON. */
export interface RequestPlan {
  method?: string;
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Readonly<Record<string, unknown>> | readonly unknown[];
}

/** A complete answer. `text` and `json` read the body when asked, so a check that needs neither costs nothing. */
export interface Answer {
  status: number;
  /** Names in lower case; several of one name are joined as RFC 9110 says, set-cookie by newline. */
  headers: Readonly<Record<string, string>>;
  text(): string;
  /** @throws SyntaxError when the body is not JSON */
  json(): unknown;
}

/** For what is not measured: set-up, sign-in, token refresh, tear-down. Keeps cookies, as a browser would. */
export interface UntimedClient {
  /** @throws LabError when no answer comes */
  send(plan: RequestPlan): Promise<Answer>;
  /** The cookies it holds, as one `cookie` header; empty without any. */
  cookieHeader(): string;
}

/** What every phase may use. */
export interface ScenarioContext {
  url: URL;
  /** A new client without cookies. */
  newClient(): UntimedClient;
  /** Rows of a data file (JSON array, JSON lines or CSV with a header), read once; relative to the scenario file. */
  readRows(path: string): readonly Readonly<Record<string, string>>[];
  /** Evenly distributed in [0, 1), seeded by `--seed`, so that a run can be repeated. */
  random(): number;
}

export interface Step<Shared, Session> {
  name: string;
  /** How often beside the other steps; 1 unless told. */
  weight?: number;
  /**
   * A plain object is encoded once and is fastest. A function is called for each request, must not wait, and gets the
   * connection's session and the number of the request, from 0 over all connections.
   */
  request: RequestPlan | ((session: Session, number: number, shared: Shared) => RequestPlan);
  /** Statuses that count as right; 200 to 299 unless told. */
  expect?: readonly number[];
  /** Returns what is wrong with the answer, or nothing. Also the place to keep something of it in the session. */
  check?: (answer: Answer, session: Session, shared: Shared) => string | undefined;
}

export interface Scenario<Shared = undefined, Session = undefined> {
  name: string;
  /** One sentence for `irontrack-lab run --help` and reports. */
  description?: string;
  /** Once, before any load: create users, fill tables. */
  setUp?(context: ScenarioContext): Promise<Shared>;
  /** Once for each connection, before the load: sign in. `index` counts connections from 0. */
  connect?(context: ScenarioContext, shared: Shared, index: number): Promise<Session>;
  /** Called outside the timed path for a connection that is idle, every so often: renew a token. */
  renew?: { everyS: number; run(session: Session, shared: Shared): Promise<void> };
  steps: readonly Step<Shared, Session>[];
  /** Once, also when a phase before it failed; `shared` is undefined when setUp did. */
  tearDown?(context: ScenarioContext, shared: Shared | undefined): Promise<void>;
}

/** Gives a scenario its types; returns what it was given. */
export function defineScenario<Shared = undefined, Session = undefined>(
  scenario: Scenario<Shared, Session>,
): Scenario<Shared, Session> {
  return scenario;
}
