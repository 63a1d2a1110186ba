/** An invariant of testing.md section 4 that did not hold, or another promise of what is simulated, under the name it is known by. */
export class InvariantViolation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.name = "InvariantViolation";
    this.invariant = invariant;
  }
}

export function ensure(holds: boolean, invariant: string, message: () => string): asserts holds {
  if (!holds) throw new InvariantViolation(invariant, message());
}
