/**
 * The admin service as the door sees it: methods by path, whose handlers and use cases (admin-calls.ts, api/admin.ts) are no
 * part of a start. They are loaded a moment after the door has opened, or by a call that comes before.
 *
 * Not only by the first call: Node keeps a failure to load a module for good, and that call may come when there are no
 * descriptors left.
 */
import { ADMIN_METHODS } from "@tidemark/proto";
import type { AdminMethod } from "@tidemark/proto";
import { loadAdmin } from "../../api/index.ts";
import type { AdminHandlers } from "./admin-calls.ts";
import type { DoorContext } from "./door-context.ts";
import type { BytesCall } from "./unary.ts";

/** After the door has opened: a start under way has the processor for itself, and descriptors have not run short yet. */
const LOAD_AFTER_MS = 1_000;

export interface AdminOptions {
  readonly load: () => Promise<AdminHandlers>;
  readonly loadAfterMs: number;
}

export class Admin {
  readonly #options: AdminOptions;
  #handlers: Promise<AdminHandlers> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  static of(context: DoorContext): Admin {
    return new Admin({
      load: async () => {
        const [{ adminCalls }, useCases] = await Promise.all([import("./admin-calls.ts"), loadAdmin()]);
        return adminCalls(context, useCases);
      },
      loadAfterMs: LOAD_AFTER_MS,
    });
  }

  /** Every method as `[path, handler]`. */
  calls(): (readonly [path: string, call: BytesCall])[] {
    return (Object.keys(ADMIN_METHODS) as AdminMethod[]).map((method) => [
      ADMIN_METHODS[method],
      async (request, client) => (await this.#load())[method](request, client),
    ]);
  }

  /** The door has opened. */
  open(): void {
    this.#timer = setTimeout(() => {
      // Told to the call that needs it.
      this.#load().catch(() => undefined);
    }, this.#options.loadAfterMs);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #load(): Promise<AdminHandlers> {
    this.#handlers ??= this.#options.load();
    return this.#handlers;
  }
}
