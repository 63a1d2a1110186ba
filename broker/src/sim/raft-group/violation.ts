/** An invariant of testing.md section 4 that did not hold. */
export class RaftViolation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.name = "RaftViolation";
    this.invariant = invariant;
  }
}

export function check(condition: boolean, invariant: string, message: () => string): void {
  if (!condition) throw new RaftViolation(invariant, message());
}
