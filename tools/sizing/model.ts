/** What the sizing assumes and how it computes: inputs with their sources, then lines that build on each other. */

export interface Input {
  name: string;
  kind: 'use (assumed)' | 'cost (measured)' | 'size (measured)' | 'machines (chosen)' | 'prices (assumed)';
  value: number;
  meaning: string;
}

export interface Line {
  name: string;
  formula: string;
  meaning: string;
}

export const inputs: readonly Input[] = [
  use('dailyActiveShare', 0.2, 'share of the users who use it on a day'),
  use('signInsADay', 0.1, 'sign-ins of an active user a day: a session lives for 30 days'),
  use('refreshesADay', 8, 'refreshes of an active user a day: four hours of use, tokens of 30 minutes'),
  use(
    'readsADay',
    60,
    'requests of an active user a day that are answered from memory: `/me`, lists at hand',
  ),
  use(
    'queriesADay',
    20,
    'requests of an active user a day that ask the database once: lists, rows, first reads',
  ),
  use('eventsADay', 10, 'events an active user gives rise to a day, posted by programs'),
  use('deliveredShare', 0.5, 'share of the events that are delivered to a webhook'),
  use('payloadBytes', 300, 'bytes of an event'),
  use('yearlyGrowth', 0.5, 'sign-ups a year as a share of the users'),
  use('liveSessions', 1.5, 'live sessions of a user'),
  use(
    'newConnections',
    0.05,
    'share of the requests that open a connection: browsers and programs keep theirs',
  ),
  use('peakFactor', 4, 'the busiest second against the mean of the day'),
  use('auditDays', 365, 'days that audit entries are kept: `AUDIT_RETENTION`'),
  use('eventDays', 30, 'days that events are kept: `EVENT_RETENTION`'),
  use('deadSessionDays', 30, 'days that ended sessions are kept'),

  cost(
    'hashMs',
    48,
    'ms of a core: Argon2id, 64 MiB, 3 passes, in a sign-in ([performance](performance.md#passwords))',
  ),
  cost('signInUs', 2500, 'us of the service beside the hash (the same)'),
  cost('signInDbUs', 1300, 'us of PostgreSQL (the same)'),
  cost(
    'refreshUs',
    190,
    'us of the service, in a statement of its own ([performance](performance.md#refresh))',
  ),
  cost('refreshDbUs', 165, 'us of PostgreSQL (the same)'),
  cost(
    'readUs',
    17.3,
    'us of the service: `/me` by cookie ([performance](performance.md#the-hot-path-ping-and-me))',
  ),
  cost(
    'queryUs',
    250,
    'us of the service: a page that PostgreSQL answers ([decision 9](decisions/0009-exercise-lists.md), before halves in memory)',
  ),
  cost('queryDbUs', 165, 'us of PostgreSQL (the same)'),
  cost(
    'eventUs',
    42,
    'us of the service: posted alone, stored in batches ([decision 11](decisions/0011-ingest.md))',
  ),
  cost('eventDbUs', 22, 'us of PostgreSQL (the same)'),
  cost('deliveryUs', 330, 'us of the service for a delivery (`row-sizes.ts`)'),
  cost('deliveryDbUs', 600, 'us of PostgreSQL for a delivery (the same)'),
  cost(
    'proxyUs',
    21,
    'us of nginx: a request on an open connection ([deployment](deployment.md#step-2-nginx-in-front))',
  ),
  cost('handshakeUs', 347, 'us of nginx: a TLS handshake besides, with ECDSA (the same)'),

  size('userBytes', 540, 'a user, heap and indexes'),
  size('sessionBytes', 459, 'a session'),
  size('auditBytes', 485, 'an audit entry'),
  size('eventBytes', 316, 'an event beside its payload'),
  size('attemptBytes', 201, 'an attempt to deliver'),
  size('signInLog', 3300, 'log of a sign-in'),
  size('refreshLog', 1330, 'log of a refresh'),
  size('eventLog', 1200, 'log of an event, in batches'),
  size('deliveryLog', 2080, 'log of a delivery'),

  machine('nodeCores', 4, 'cores of a node of the service'),
  machine('nodeUse', 0.5, 'how much of a core is used in the busiest second'),
  machine('idleSeconds', 65, 'seconds that nginx keeps a connection which asks nothing: `keepalive_timeout`'),
  machine(
    'proxyConnections',
    150_000,
    'client connections that a machine with nginx holds, 22 KB each (`idle-connections.ts`)',
  ),
  machine('primaryCores', 32, 'cores of a PostgreSQL primary'),
  machine('primaryUse', 0.4, 'how much of them is used in the busiest second'),
  machine('primaryDiskTb', 4, 'TB of rows that a primary holds: what can be restored in half a day'),
  machine(
    'diskFree',
    1.5,
    'disk for a byte of rows: a third stays free for vacuum and indexes that are built anew',
  ),
  machine('poolSize', 10, '`DATABASE_POOL_SIZE` of a process'),
  machine('workerMb', 230, 'MB of a process at work, idle 150 ([soak](benchmarks/soak.md))'),
  machine('supervisorMb', 130, 'MB of the supervisor of a node (the same)'),
  machine('hashMb', 70, 'MB for a password being hashed ([performance](performance.md#start-and-memory))'),
  machine('commitShare', 20, 'events that share a commit, and results of deliveries (assumed)'),
  machine(
    'missPages',
    0.5,
    'pages that a query or a refresh reads from the disk and not from memory (assumed)',
  ),
  machine('copies', 2, 'copies of a primary: a standby for its death, a replica for reads and backups'),
  machine('backupDays', 14, 'days of backups: each day the log, each week all rows'),

  price('corePrice', 0.04, 'an hour of a core with 4 GB of memory'),
  price('diskPrice', 0.1, 'a GB of fast disk for a month'),
  price('archivePrice', 0.02, 'a GB of backup for a month'),
  price('trafficPrice', 0.02, 'a GB that leaves'),
  price('answerBytes', 1000, 'bytes of an answer, the mean of all'),
];

export const sections: readonly { title: string; lines: readonly Line[] }[] = [
  {
    title: 'in the busiest second',
    lines: [
      line('active', 'users * dailyActiveShare', 'active users a day'),
      line('perSecond', 'active / 86400 * peakFactor', 'active users a day, by the busiest second'),
      line('signIns', 'perSecond * signInsADay', 'sign-ins'),
      line('signUps', 'users * yearlyGrowth / 365 / 86400 * peakFactor', 'sign-ups'),
      line('refreshes', 'perSecond * refreshesADay', 'refreshes'),
      line('reads', 'perSecond * readsADay', 'reads from memory'),
      line('queries', 'perSecond * queriesADay', 'reads from the database'),
      line('events', 'perSecond * eventsADay', 'events'),
      line('deliveries', 'events * deliveredShare', 'deliveries'),
      line('requests', 'signIns + signUps + refreshes + reads + queries + events', 'requests'),
    ],
  },
  {
    title: 'cores of the service',
    lines: [
      line('hashCores', '(signIns + signUps) * hashMs / 1000', 'hashing passwords'),
      line(
        'loopCores',
        '((signIns + signUps) * signInUs + refreshes * refreshUs + reads * readUs + queries * queryUs + events * eventUs + deliveries * deliveryUs) / 1000000',
        'everything else',
      ),
      line('serviceCores', '(hashCores + loopCores) / nodeUse', 'cores to have'),
      line(
        'nodes',
        'max(2, ceil(serviceCores / nodeCores)) + 1',
        'nodes, at least two, and one that may die',
      ),
      line('workers', 'nodes * nodeCores', 'processes, one a core'),
      line('hashSlots', 'max(nodes, ceil(2 * hashCores))', 'passwords hashed at once'),
      line(
        'serviceMemoryGb',
        '(workers * workerMb + nodes * supervisorMb + hashSlots * hashMb) / 1000',
        'GB of memory in use',
      ),
    ],
  },
  {
    title: 'nginx in front',
    lines: [
      line(
        'proxyCores',
        'requests * (proxyUs + newConnections * handshakeUs) / 1000000',
        'cores at work, TLS included',
      ),
      line(
        'clientConnections',
        'requests * newConnections * idleSeconds',
        'connections of clients that are open, idle ones included',
      ),
      line(
        'proxies',
        'max(1, ceil(proxyCores / nodeUse / nodeCores), ceil(clientConnections / proxyConnections)) + 1',
        'machines like the nodes, one of which may die',
      ),
    ],
  },
  {
    title: 'PostgreSQL in the busiest second',
    lines: [
      line(
        'dbBusy',
        '((signIns + signUps) * signInDbUs + refreshes * refreshDbUs + queries * queryDbUs + events * eventDbUs + deliveries * deliveryDbUs) / 1000000',
        'cores at work',
      ),
      line('dbCores', 'dbBusy / primaryUse', 'cores to have'),
      line('commits', 'signIns + signUps + refreshes + (events + deliveries) / commitShare', 'commits'),
      line(
        'logMbS',
        '((signIns + signUps) * signInLog + refreshes * refreshLog + events * eventLog + deliveries * deliveryLog) / 1000000',
        'MB/s of write-ahead log',
      ),
      line(
        'writes',
        'commits + 2 * logMbS * 1000000 / 8192',
        'disk writes: each commit, and log and rows in pages of 8 KiB',
      ),
      line('pageReads', '(queries + refreshes) * missPages', 'disk reads'),
      line('connections', 'workers * (poolSize + 2)', 'connections of all processes without a pooler'),
    ],
  },
  {
    title: 'rows, GB',
    lines: [
      line('usersGb', 'users * userBytes / 1000000000', 'users'),
      line(
        'sessionsGb',
        '(users * liveSessions + active * signInsADay * deadSessionDays) * sessionBytes / 1000000000',
        'sessions, the dead ones included',
      ),
      line(
        'auditGb',
        '(active * signInsADay * 2 + users * yearlyGrowth / 365) * auditDays * auditBytes / 1000000000',
        'audit entries: a sign-in, the end of a session, a sign-up',
      ),
      line(
        'eventsGb',
        'active * eventsADay * eventDays * (eventBytes + payloadBytes + deliveredShare * attemptBytes) / 1000000000',
        'events and attempts',
      ),
      line(
        'happeningsGb',
        'active * signInsADay * 2 * eventDays * (eventBytes + payloadBytes) / 1000000000',
        'the events of the service itself: a sign-in, the end of a session',
      ),
      line(
        'rowsGb',
        'usersGb + sessionsGb + auditGb + eventsGb + happeningsGb',
        'all rows with their indexes',
      ),
      line('diskGb', 'rowsGb * diskFree * (1 + copies)', 'disk, all copies'),
      line('logGbDay', 'logMbS / peakFactor * 86400 / 1000', 'write-ahead log a day'),
    ],
  },
  {
    title: 'primaries',
    lines: [
      line('byCores', 'ceil(dbCores / primaryCores)', 'for their cores'),
      line('byDisk', 'ceil(rowsGb / 1000 / primaryDiskTb)', 'for their disk'),
      line('shards', 'max(byCores, byDisk)', 'primaries: above 1 it is sharded'),
      line('coresEach', 'max(4, ceil(dbCores / shards))', 'cores of each'),
      line(
        'connectionsEach',
        'connections / shards',
        'connections of each, if processes keep to their shard',
      ),
      line('commitsEach', 'commits / shards', 'commits of each, a second'),
    ],
  },
  {
    title: 'money a month',
    lines: [
      line('serviceMoney', 'nodes * nodeCores * 730 * corePrice', 'nodes of the service'),
      line('proxyMoney', 'proxies * nodeCores * 730 * corePrice', 'nginx in front'),
      line(
        'databaseMoney',
        'shards * coresEach * (1 + copies) * 730 * corePrice',
        'PostgreSQL and its copies',
      ),
      line('diskMoney', 'diskGb * diskPrice', 'disk'),
      line(
        'backupMoney',
        '(logGbDay * backupDays + rowsGb * backupDays / 7) * archivePrice',
        'backups: the log of each day, all rows each week',
      ),
      line(
        'trafficMoney',
        'requests / peakFactor * 86400 * 30.4 * answerBytes / 1000000000 * trafficPrice',
        'traffic',
      ),
      line(
        'money',
        'serviceMoney + proxyMoney + databaseMoney + diskMoney + backupMoney + trafficMoney',
        'together',
      ),
      line('moneyPerThousand', 'money / users * 1000', 'for a thousand users'),
    ],
  },
];

function use(name: string, value: number, meaning: string): Input {
  return { name, kind: 'use (assumed)', value, meaning };
}

function cost(name: string, value: number, meaning: string): Input {
  return { name, kind: 'cost (measured)', value, meaning };
}

function size(name: string, value: number, meaning: string): Input {
  return { name, kind: 'size (measured)', value, meaning: `bytes: ${meaning}` };
}

function machine(name: string, value: number, meaning: string): Input {
  return { name, kind: 'machines (chosen)', value, meaning };
}

function price(name: string, value: number, meaning: string): Input {
  return { name, kind: 'prices (assumed)', value, meaning };
}

function line(name: string, formula: string, meaning: string): Line {
  return { name, formula, meaning };
}
