/** Which processes belong to a server that was started: its group, its session and everything they started. */
import { readdirSync, readFileSync } from 'node:fs';

interface ProcessFacts {
  state: string;
  parent: number;
  group: number;
  session: number;
  /** Clock ticks since boot; with the pid it names one process for ever. */
  startedAt: string;
}

/**
 * The living processes of one family. A server may start its database in a session of its own, and that loses its
 * parent when the server dies first; so who was seen once is remembered, by pid and start time.
 */
export class ProcessFamily {
  readonly #leader: number;
  readonly #known = new Map<number, string>();

  constructor(leader: number) {
    this.#leader = leader;
  }

  /**
   * Living members, the leader first. Walks the children in /proc, about 25 us a thread; without /proc, only the
   * leader, if it lives.
   */
  pids(): number[] {
    const living = new Map<number, string>();
    const visit = (pid: number): void => {
      const facts = readFacts(pid);
      if (facts === undefined || living.has(pid) || isDead(facts)) return;
      living.set(pid, facts.startedAt);
      for (const child of readChildren(pid)) visit(child);
    };
    visit(this.#leader);
    for (const [pid, startedAt] of this.#known) {
      if (readFacts(pid)?.startedAt === startedAt) visit(pid);
      else this.#known.delete(pid);
    }
    for (const [pid, startedAt] of living) this.#known.set(pid, startedAt);
    return [...living.keys()];
  }

  /** Also those that lost their parent before anybody looked; reads all of /proc, so not for ten times a second. */
  allPids(): number[] {
    for (const pid of listProcesses()) {
      const facts = readFacts(pid);
      if (facts?.group === this.#leader || facts?.session === this.#leader)
        this.#known.set(pid, facts.startedAt);
    }
    return this.pids();
  }
}

function isDead({ state }: ProcessFacts): boolean {
  return state === 'Z' || state === 'X';
}

/** proc_pid_stat(5); the name in parentheses may itself hold spaces and parentheses. */
function readFacts(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent, group, session] = fields;
    return {
      state,
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      startedAt: fields[19] ?? '',
    };
  } catch {
    return undefined;
  }
}

function readChildren(pid: number): number[] {
  try {
    const children: number[] = [];
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const list = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').trim();
      if (list !== '') children.push(...list.split(' ').map(Number));
    }
    return children;
  } catch {
    // A kernel without CONFIG_PROC_CHILDREN, or a process that just ended.
    return listProcesses().filter((candidate) => readFacts(candidate)?.parent === pid);
  }
}

function listProcesses(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
