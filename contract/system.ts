import { type Static, Type } from '@sinclair/typebox';

const Availability = Type.Union([Type.Literal('online'), Type.Literal('offline')]);

export const Health = Type.Object(
  { database_status: Availability, cache_status: Availability, app: Type.String(), version: Type.String() },
  { title: 'Health' },
);
export type Health = Static<typeof Health>;

/** What the service is, and paths that lead on. */
export const Entrance = Type.Object(
  {
    name: Type.String(),
    version: Type.String(),
    docs: Type.String(),
    openapi: Type.String(),
    ping: Type.String(),
  },
  { title: 'Entrance' },
);

/** `process`: no shared cache is configured. `away`: the node serves without it meanwhile. */
const CacheState = Type.Union([Type.Literal('process'), Type.Literal('shared'), Type.Literal('away')]);

export const Readiness = Type.Object(
  { status: Type.Literal('ready'), cache: CacheState },
  { title: 'Readiness' },
);
export type Readiness = Static<typeof Readiness>;

/** What an orchestrator asks. */
export const Liveness = Type.Object({ status: Type.Literal('ok') }, { title: 'Liveness' });

/** RFC 7517. */
export const Jwks = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          kty: Type.Literal('OKP'),
          crv: Type.Literal('Ed25519'),
          x: Type.String(),
          kid: Type.String(),
          use: Type.Literal('sig'),
          alg: Type.Literal('EdDSA'),
        },
        { title: 'Jwk' },
      ),
    ),
  },
  { title: 'Jwks' },
);
export type Jwks = Static<typeof Jwks>;
