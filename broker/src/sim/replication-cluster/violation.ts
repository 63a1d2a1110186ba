/** An invariant of testing.md section 4 that did not hold. */
export class ReplicationViolation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.name = "ReplicationViolation";
    this.invariant = invariant;
  }
}

export function check(condition: boolean, invariant: string, message: () => string): void {
  if (!condition) throw new ReplicationViolation(invariant, message());
}
