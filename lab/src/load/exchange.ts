/** One request and its answer: what a workload sends, what it says of the answer, and where that is written down. */
import type { Connection, EncodedRequest } from './connection.ts';
import type { Recorder } from './recorder.ts';
import type { Workload } from './workload.ts';

/** Knows the connections whose session could not be renewed, and says so of the next request of each. */
export class Exchange {
  readonly #workload: Workload;
  readonly #recorder: Recorder;
  readonly #nowMs: () => number;
  readonly #unrenewed = new Set<Connection>();

  constructor(workload: Workload, recorder: Recorder, nowMs: () => number) {
    this.#workload = workload;
    this.#recorder = recorder;
    this.#nowMs = nowMs;
  }

  /** Makes the request ready and leaves its number, step and due time at the connection; undefined when that failed. */
  prepare(connection: Connection, number: number, dueUs: number): EncodedRequest | undefined {
    const step = this.#workload.chooseStep(number);
    connection.number = number;
    connection.step = step;
    connection.dueUs = dueUs;
    if (this.#unrenewed.size > 0 && this.#unrenewed.delete(connection)) {
      this.#recorder.recordFailure('script', step, dueUs);
      return undefined;
    }
    try {
      return this.#workload.encode(step, connection.index, number);
    } catch (error) {
      this.#recorder.recordFailure('script', step, dueUs);
      this.#noteThrow(`${this.#workload.stepNames[step]} threw in request`, error);
      return undefined;
    }
  }

  keepsAnswer(connection: Connection): boolean {
    return this.#workload.hasCheck(connection.step);
  }

  /** Writes the answer down and says whether it was right. */
  judge(connection: Connection, status: number, nowUs: number): boolean {
    const { step, dueUs, sentUs } = connection;
    this.#recorder.recordStatus(status);
    if (!this.#workload.isExpected(step, status)) {
      this.#recorder.recordFailure('status', step, dueUs);
      this.#recorder.note(`status: ${this.#workload.stepNames[step]} was answered ${status}.`);
      return false;
    }
    if (this.#workload.hasCheck(step) && !this.#passesCheck(connection)) return false;
    this.#recorder.recordOk(step, dueUs, sentUs, nowUs);
    return true;
  }

  isRenewalDue(connection: Connection): boolean {
    return this.#workload.isRenewalDue(connection.index, this.#nowMs());
  }

  async renew(connection: Connection): Promise<void> {
    connection.needsRenewal = false;
    try {
      await this.#workload.renew(connection.index, this.#nowMs());
    } catch (error) {
      this.#noteThrow('the session could not be renewed', error);
      this.#unrenewed.add(connection);
    }
  }

  #passesCheck(connection: Connection): boolean {
    const { step, dueUs } = connection;
    const name = this.#workload.stepNames[step];
    try {
      const fault = this.#workload.check(step, connection.readAnswer(), connection.index);
      if (fault === undefined) return true;
      this.#recorder.recordFailure('body', step, dueUs);
      this.#recorder.note(`body: ${name}: ${fault}`);
    } catch (error) {
      this.#recorder.recordFailure('script', step, dueUs);
      this.#noteThrow(`${name} threw in check`, error);
    }
    return false;
  }

  #noteThrow(what: string, error: unknown): void {
    this.#recorder.note(`script: ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
