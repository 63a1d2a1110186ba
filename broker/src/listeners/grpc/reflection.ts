/**
 * Server reflection for `grpcurl` and its like: in the dev profile only (security 1.5), and built at the first call, since
 * it needs the parsed .proto files and 40 ms. @grpc/reflection wants to add itself to a server; it is given a stand-in that
 * keeps its handlers, and calls come to them through this door's registered paths.
 */
import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { ApiError } from "../../api/index.ts";

import { errorOf } from "./door-context.ts";
import type { DoorContext } from "./door-context.ts";
import { statusOf } from "./status.ts";

export const REFLECTION_PATHS = [
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
] as const;

type BytesStream = ServerDuplexStream<Buffer, Buffer>;

/** What the reflection handlers use of a call. */
interface MessageStream {
  on(event: "data", listener: (message: unknown) => void): void;
  on(event: "end", listener: () => void): void;
  write(message: unknown): void;
  end(): void;
}

interface ReflectionMethod {
  decode(bytes: Buffer): unknown;
  encode(message: unknown): Buffer;
  handle(stream: MessageStream): void;
}

export class Reflection {
  readonly #context: DoorContext;
  #methods: Promise<ReadonlyMap<string, ReflectionMethod>> | null = null;

  constructor(context: DoorContext) {
    this.#context = context;
  }

  /** Serves a call to `path`. Nothing is read from it until the method is there. */
  handle(path: string, call: BytesStream): void {
    this.#methods ??= loadMethods();
    this.#methods.then(
      (methods) => serve(methods.get(path), call),
      (thrown: unknown) => call.emit("error", statusOf(errorOf(thrown, "reflection", this.#context))),
    );
  }
}

function serve(method: ReflectionMethod | undefined, call: BytesStream): void {
  if (method === undefined) {
    call.end();
    return;
  }
  method.handle({
    on: (event: "data" | "end", listener: (message: unknown) => void): void => {
      if (event === "end") call.on("end", () => listener(undefined));
      else call.on("data", (bytes: Buffer) => receive(method, bytes, listener, call));
    },
    write: (message) => void call.write(method.encode(message)),
    end: () => void call.end(),
  });
}

/** A stranger's bytes: what cannot be decoded or answered ends this call and nothing else. */
function receive(
  method: ReflectionMethod,
  bytes: Buffer,
  listener: (message: unknown) => void,
  call: BytesStream,
): void {
  try {
    listener(method.decode(bytes));
  } catch (cause: unknown) {
    call.pause();
    call.emit("error", statusOf(new ApiError("INVALID_REQUEST", "not a reflection request", { cause })));
  }
}

async function loadMethods(): Promise<ReadonlyMap<string, ReflectionMethod>> {
  const [{ ReflectionService }, { loadDescriptors }] = await Promise.all([
    import("@grpc/reflection"),
    import("@tidemark/proto/control"),
  ]);
  const methods = new Map<string, ReflectionMethod>();
  new ReflectionService(loadDescriptors()).addToServer({
    addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation) {
      for (const [name, { path, requestDeserialize, responseSerialize }] of Object.entries(definition)) {
        const handler = implementation[name];
        if (handler === undefined) continue;
        methods.set(path, {
          decode: requestDeserialize,
          encode: responseSerialize,
          handle: (stream) => Reflect.apply(handler, null, [stream]),
        });
      }
    },
  });
  return methods;
}
