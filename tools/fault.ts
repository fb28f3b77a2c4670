/** What a check found: where, which rule, and what to do instead. A warning is shown and does not fail the check. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
  readonly severity?: 'warning';
}

function formatFault(fault: Fault): string {
  const label = fault.severity === 'warning' ? `warning ${fault.rule}` : fault.rule;
  return `${fault.file}:${fault.line}  [${label}] ${fault.message}`;
}

/** Prints every fault and one closing line; the exit status is 1 when anything but a warning was found. */
export function reportFaults(faults: readonly Fault[], filesRead: number): void {
  const ordered = faults.toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
  for (const fault of ordered) process.stdout.write(`${formatFault(fault)}\n`);
  const warnings = faults.filter((fault) => fault.severity === 'warning').length;
  const failures = faults.length - warnings;
  process.stdout.write(`${filesRead} files, ${failures} faults, ${warnings} warnings\n`);
  // A check that reads nothing passes whatever the code says.
  if (failures > 0 || filesRead === 0) process.exitCode = 1;
}
