/**
 * How the admin calls reach a broker. Their codec (proto-loader) is imported at the first call, so that producers and readers
 * never pay for it. Results come per item; the first item that failed is thrown, with all failures as cause.
 */
import { type AdminCalls, type AdminMethod, ADMIN_METHODS, type ErrorRow, errorRow } from "@tidemark/proto";
import { backoffMs } from "./core/backoff.ts";
import { parseDuration } from "./duration.ts";
import { BrokerError, brokerErrorOf, type ErrorDetails } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { CallTarget, Cluster } from "./transport/cluster.ts";
import type { UnaryMethod } from "./transport/connection.ts";
import type { CallOptions } from "./types.ts";

/** One call to any broker, or to the one that `limits` names. */
export async function call<Method extends AdminMethod>(
  cluster: Cluster,
  method: Method,
  request: AdminCalls[Method]["request"],
  limits: Limits & CallTarget,
): Promise<AdminCalls[Method]["response"]> {
  return cluster.call(await methodOf(method), request, limits);
}

/** The same of a call that changes nothing: who is silent is not waited for where another one answers. */
export function look<Method extends AdminMethod>(
  cluster: Cluster,
  method: Method,
  request: AdminCalls[Method]["request"],
  limits: Limits & CallTarget,
): Promise<AdminCalls[Method]["response"]> {
  return call(cluster, method, request, { ...limits, isLook: true });
}

/** What a broker that applies metadata late may take to have seen what another has. */
const BEHIND_PATIENCE_MS = 2_000;

/** While a leader of the metadata is chosen nobody knows one; so much later there is none. */
const STALE_MS = 1_000;

/**
 * One call to any broker that has applied all metadata that this client has heard of, so that whoever has made a topic finds it
 * wherever he asks; and that knows a controller, so that what it has applied is what there is. Where none has in time, the answer is
 * what it is; that nobody vouches for it is told.
 */
export async function read<Method extends AdminMethod>(
  cluster: Cluster,
  method: Method,
  request: AdminCalls[Method]["request"],
  limits: Limits & CallTarget,
): Promise<AdminCalls[Method]["response"]> {
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    const response = await look(cluster, method, request, limits);
    const told = "metadataOffset" in response ? response.metadataOffset : 0;
    // 0: it does not say.
    const offset = told === 0 ? cluster.seenOffset : told;
    const withoutControllerMs = "withoutControllerMs" in response ? response.withoutControllerMs : 0;
    const isStale = withoutControllerMs >= STALE_MS;
    if (isStale && limits.broker === undefined && attempt < cluster.candidatesCount) continue;
    const delay = backoffMs(cluster.settings.retry, attempt, Math.random());
    const patienceMs = Math.min(BEHIND_PATIENCE_MS, limits.timeoutMs ?? BEHIND_PATIENCE_MS);
    if (offset >= cluster.seenOffset || performance.now() - startedAt + delay >= patienceMs) {
      cluster.onMetadataOffset(offset);
      if ("withoutControllerMs" in response)
        cluster.tellStale(isStale ? { metadataOffset: offset, withoutControllerMs } : null);
      return response;
    }
    await cluster.pause(delay, limits.signal);
  }
}

/**
 * Told that there is no controller, a caller who set no limit waits so long for one: what is missing may be missing for good, or be starting
 * again, on a machine that is slow.
 */
const CONTROLLER_PATIENCE_MS = 15_000;

/** What a broker takes at most to find out that there is no controller, and to say so: it looks at the voters for a second and a half. */
const MISSING_PATIENCE_MS = 2_000;

/**
 * One call that changes something: what is read afterwards is at least as new. Asked again where a broker cannot say whether
 * the controller has done it, after `onRepeat`, as with an answer that was lost on its way here; and where there is no controller,
 * which is told once, and is the answer when time is up.
 */
export async function change<Method extends AdminMethod>(
  cluster: Cluster,
  method: Method,
  request: AdminCalls[Method]["request"],
  limits: Limits & CallTarget,
): Promise<AdminCalls[Method]["response"]> {
  const limitsLeft = budgetOf(cluster, limits);
  let missedAt: number | null = null;
  let longestMs = 0;
  for (let attempt = 1; ; attempt += 1) {
    const askedAt = performance.now();
    const left = limitsLeft();
    const response = await call(cluster, method, within(request, left.timeoutMs), left);
    const now = performance.now();
    const { code, message } = undecided(response) ?? {};
    if ("metadataOffset" in response) cluster.onMetadataOffset(response.metadataOffset);
    const delay = backoffMs(cluster.settings.retry, attempt, Math.random());
    // Another attempt may take twice as long as any before: cut off by its time limit it could not say what it waits for.
    longestMs = Math.max(longestMs, now - askedAt);
    const nextMs = code === "NOT_CONTROLLER" ? Math.max(2 * longestMs, MISSING_PATIENCE_MS) : 0;
    const isLast = delay + nextMs >= limitsLeft().timeoutMs;
    if (code === undefined || isLast) return response;
    if (code === "NETWORK_EXCEPTION") limits.onRepeat?.();
    else if (missedAt === null) {
      missedAt = now;
      cluster.settings.logger.warn({ code, message }, "nothing can be changed yet");
    } else if (now - missedAt >= (limits.controllerMs ?? Number.POSITIVE_INFINITY)) return response;
    await cluster.pause(delay, limits.signal);
  }
}

/** A request that says how long its broker may take says no more than is left; 0 is the broker's own limit. */
function within<Request extends object>(request: Request, leftMs: number): Request {
  if (!("timeoutMs" in request) || typeof request.timeoutMs !== "number") return request;
  return { ...request, timeoutMs: Math.min(request.timeoutMs, Math.ceil(leftMs)) };
}

/** NETWORK_EXCEPTION: it may have been done, or not. NOT_CONTROLLER: it was not. Null: the controller has decided. */
function undecided(
  response: object,
): { readonly code: "NETWORK_EXCEPTION" | "NOT_CONTROLLER"; readonly message: string } | null {
  const results = ("results" in response ? response.results : [response]) as readonly Partial<ItemResult>[];
  for (const { errorCode = 0, errorMessage: message = "" } of results) {
    if (errorCode === 0) continue;
    const code = errorRow(errorCode).name;
    if (code === "NETWORK_EXCEPTION" || code === "NOT_CONTROLLER") return { code, message };
  }
  return null;
}

/** What one broker of many is given for its answer: the others have theirs. */
const EACH_PATIENCE_MS = 2_000;

/** The same question to each of `brokers`, side by side. One that does not answer in time is there with its error. */
export async function askEach<Method extends AdminMethod>(
  cluster: Cluster,
  method: Method,
  requestTo: (broker: number) => AdminCalls[Method]["request"],
  brokers: Iterable<number>,
  limits: Limits,
  patienceMs = EACH_PATIENCE_MS,
): Promise<Map<number, AdminCalls[Method]["response"] | BrokerError>> {
  const ids = [...new Set(brokers)];
  if (ids.some((id) => cluster.broker(id) === undefined)) await cluster.refresh([], { create: false });
  const timeoutMs = Math.min(patienceMs, limits.timeoutMs ?? patienceMs);
  const answers = await Promise.all(
    ids.map(async (broker) => {
      try {
        return await call(cluster, method, requestTo(broker), { ...limits, timeoutMs, broker, isExact: true });
      } catch (error: unknown) {
        const failure = BrokerError.from(error);
        if (failure.code === "ABORTED" || failure.code === "CLOSED") throw failure;
        return failure;
      }
    }),
  );
  return new Map(ids.map((id, slot) => [id, answers[slot] as AdminCalls[Method]["response"] | BrokerError]));
}

/** How the one item of a call ended. */
export interface ItemResult {
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** What is left of a call's time, from here on, for whichever step it comes to: one budget, however many they are. */
export function budgetOf<Given extends Limits & CallTarget>(
  cluster: Cluster,
  limits: Given,
): () => Given & { readonly timeoutMs: number } {
  const { retryBudgetMs, requestTimeoutMs, connectTimeoutMs } = cluster.settings;
  const endsAt = performance.now() + (limits.timeoutMs ?? retryBudgetMs);
  // Where the caller set no limit, another broker is asked rather than waited for.
  const patience = limits.timeoutMs === undefined ? { attemptMs: Math.min(requestTimeoutMs, connectTimeoutMs) } : {};
  return () => ({ ...patience, ...limits, timeoutMs: Math.max(endsAt - performance.now(), 1) });
}

/** A leader that is being chosen. For all else an administrator is not made to wait; a controller `change` waits for. */
const PASSING: ReadonlySet<string> = new Set(["NOT_LEADER_OR_FOLLOWER", "LEADER_NOT_AVAILABLE"]);

/**
 * `ask` until its one item did not fail, or failed with what does not pass by itself, or time is up. Each attempt is told what
 * is left of the time. `outlasts`: what is thrown, and may be gone with the next attempt; that must be what may be done twice.
 */
export async function settle<Result extends ItemResult>(
  cluster: Cluster,
  limits: Limits,
  about: ErrorDetails,
  ask: (attempt: number, left: ReturnType<ReturnType<typeof budgetOf>>) => Promise<Result | undefined>,
  outlasts: (failure: BrokerError) => boolean = () => false,
): Promise<Result> {
  const startedAt = performance.now();
  const limitsLeft = budgetOf(cluster, limits);
  for (let attempts = 1; ; attempts += 1) {
    const result = await ask(attempts, limitsLeft()).catch((error: unknown) => BrokerError.from(error));
    if (result instanceof BrokerError) {
      const delay = backoffMs(cluster.settings.retry, attempts, Math.random());
      if (!outlasts(result) || delay >= limitsLeft().timeoutMs) throw result;
      await cluster.pause(delay, limits.signal);
      continue;
    }
    if (result === undefined) throw new BrokerError("CONNECTION_LOST", "the broker left its answer out", about);
    if (result.errorCode === 0) return result;
    const row = errorRow(result.errorCode);
    const elapsedMs = performance.now() - startedAt;
    const delay = backoffMs(cluster.settings.retry, attempts, Math.random());
    if (!PASSING.has(row.name) || delay >= limitsLeft().timeoutMs)
      throw brokerErrorOf(row, result.errorMessage, { ...about, attempts, elapsedMs });
    await cluster.pause(delay, limits.signal);
  }
}

/** Throws the first failure that counts, with all of them as its cause. */
export function throwFailed(
  results: readonly (ItemResult & { readonly name: string })[],
  counts: (row: ErrorRow) => boolean,
): void {
  const failures = results
    .filter(({ errorCode }) => errorCode !== 0 && counts(errorRow(errorCode)))
    .map(({ name, errorCode, errorMessage }) => ({ name, row: errorRow(errorCode), message: errorMessage }));
  const [first] = failures;
  if (first === undefined) return;
  const errors = failures.map(({ name, row, message }) => brokerErrorOf(row, message, { topic: name }));
  const cause = errors.length === 1 ? undefined : new AggregateError(errors, `${errors.length} topics failed`);
  throw brokerErrorOf(first.row, first.message, { topic: first.name, ...(cause === undefined ? {} : { cause }) });
}

export function limitsOf(options: CallOptions): Limits & Pick<CallTarget, "controllerMs"> {
  const { signal, timeout } = options;
  if (timeout === undefined) return { signal, timeoutMs: undefined, controllerMs: CONTROLLER_PATIENCE_MS };
  return { signal, timeoutMs: parseDuration(timeout, "timeout") };
}

/** The codec of a method: loaded with the first admin call of the process. */
async function methodOf<Method extends AdminMethod>(
  method: Method,
): Promise<UnaryMethod<AdminCalls[Method]["request"], AdminCalls[Method]["response"]>> {
  const { loadAdminService } = await import("@tidemark/proto/control");
  const path = ADMIN_METHODS[method];
  const definition = Object.values(loadAdminService()).find((one) => one.path === path);
  if (definition === undefined) throw new BrokerError("UNSUPPORTED", `the admin service defines no ${path}`);
  return {
    path,
    request: { encode: (message) => definition.requestSerialize(message) },
    // proto-loader gives plain objects in the shape of AdminCalls.
    response: { decode: (bytes) => definition.responseDeserialize(bytes) as AdminCalls[Method]["response"] },
  };
}
