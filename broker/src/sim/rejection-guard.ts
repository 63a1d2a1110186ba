/**
 * A life that crashes leaves promises behind that reject with SimulatedCrash and that nobody can listen to any more. Only
 * these are let pass; any other rejection without a handler is a defect of the code under test and is handed to the run.
 *
 * While a run is on, it is the one listener of the process: a test runner's own would report what is no failure.
 */
import process from "node:process";
import { SimulatedCrash } from "./simulated-crash.ts";

/** Returns the function that ends the guard. */
export function guardRejections(onUnhandled: (error: unknown) => void): () => void {
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const listener = (error: unknown): void => {
    if (!(error instanceof SimulatedCrash)) onUnhandled(error);
  };
  process.on("unhandledRejection", listener);
  return () => {
    process.removeListener("unhandledRejection", listener);
    for (const other of others) process.on("unhandledRejection", other);
  };
}
