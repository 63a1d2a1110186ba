/** Waiting that can be ended: by time, by the caller's signal, or both. */
import { setMaxListeners } from "node:events";
import { abortedError, BrokerError, TimeoutError } from "./errors.ts";

/**
 * What ends the waits of a client or a reader with it. As many wait at a time as there are partitions, each until it takes its
 * listener away: no leak that Node should warn of.
 */
export function stopper(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** Resolves after `ms`; rejects with ABORTED when the signal is aborted first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortedError(signal, "waiting"));
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(
        signal === undefined ? new BrokerError("ABORTED", "waiting was aborted") : abortedError(signal, "waiting"),
      );
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export interface Limits {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * The result of `work`, unless its limits end first: then ABORTED, or TIMEOUT with what `outcome` says at that moment.
 * The work itself goes on; who can stop it does so in `onEnd`.
 */
export function limited<T>(
  work: Promise<T>,
  limits: Limits,
  told: { readonly what: string; readonly outcome: () => "not-sent" | "unknown"; readonly onEnd?: () => void },
): Promise<T> {
  const { signal, timeoutMs } = limits;
  if (signal === undefined && timeoutMs === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const end = (error: BrokerError): void => {
      release();
      told.onEnd?.();
      reject(error);
    };
    const onAbort = (): void =>
      end(signal === undefined ? new BrokerError("ABORTED", told.what) : abortedError(signal, told.what));
    const onTime = (): void =>
      end(
        new TimeoutError(`${told.what} took longer than ${timeoutMs} ms`, told.outcome(), {
          elapsedMs: timeoutMs ?? 0,
        }),
      );
    const timer = timeoutMs === undefined ? null : setTimeout(onTime, timeoutMs);
    const release = (): void => {
      if (timer !== null) clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    work.then(
      (value) => {
        release();
        resolve(value);
      },
      (error: unknown) => {
        release();
        reject(error);
      },
    );
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
