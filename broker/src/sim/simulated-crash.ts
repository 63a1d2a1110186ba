/**
 * Thrown into simulated code at the moment its process dies, and on every later use of what that process held. It is not
 * a DiskFault: product code must not handle it, only let it pass. Whoever drives the simulation catches it.
 */
export class SimulatedCrash extends Error {
  constructor(during: string) {
    super(`simulated crash during ${during}`);
    this.name = "SimulatedCrash";
  }
}
