/** On which machine something was measured; figures of two machines are not compared by the advisory rules. */
import { createHash } from 'node:crypto';
import { arch, cpus, platform, release, totalmem, type } from 'node:os';
import type { Machine } from './result.ts';

/** Reads this machine. Constant while a process runs. */
export function readMachine(): Machine {
  const processors = cpus();
  const cpu = processors[0]?.model.trim() ?? 'unknown';
  const memoryMb = Math.round(totalmem() / 1024 ** 2);
  const [major = ''] = process.versions.node.split('.');
  const machine = {
    platform: `${platform()}-${arch()}-node-${major}`,
    os: type(),
    kernel: release(),
    cpu,
    cores: processors.length,
    memoryMb,
    node: process.versions.node,
  };
  return { ...machine, fingerprint: fingerprintOf(machine) };
}

/**
 * A short digest of what makes figures comparable. Memory counts in whole GiB, as the kernel keeps a little more or
 * less of it from boot to boot; the kernel's and Node's own versions are left to the report, since a change of them is
 * often what one wants to measure.
 */
export function fingerprintOf(machine: Omit<Machine, 'fingerprint'>): string {
  const [os = '', architecture = ''] = machine.platform.split('-');
  const facts = [machine.cpu, machine.cores, Math.round(machine.memoryMb / 1024), os, architecture];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}
