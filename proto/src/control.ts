/**
 * The codecs of the control services, made from the .proto files by @grpc/proto-loader: a separate entry of the package
 * (`@tidemark/proto/control`), because loading them costs what a client of the data service should not pay.
 *
 * Messages look as admin-messages.ts says: camelCase, `longs` as numbers, defaults, arrays and objects filled in.
 */
import { loadSync, type PackageDefinition, type ServiceDefinition } from "@grpc/proto-loader";

export type { PackageDefinition, ServiceDefinition };

/** The package's root, from dist/src as from an installed package: the .proto files ship beside `dist`. */
const PROTO_ROOT = `${import.meta.dirname}/../..`;
const ADMIN_PROTO = "tidemark/v1/admin.proto";
const DATA_PROTO = "tidemark/v1/data.proto";
const ADMIN_SERVICE = "tidemark.v1.Admin";

const OPTIONS = {
  keepCase: false,
  longs: Number,
  defaults: true,
  arrays: true,
  objects: true,
  includeDirs: [PROTO_ROOT],
};

let admin: ServiceDefinition | null = null;

/** The admin service as grpc-js takes it (`server.addService`, `makeGenericClientConstructor`). Read from disk once. */
export function loadAdminService(): ServiceDefinition {
  if (admin === null) {
    const service = loadSync(ADMIN_PROTO, OPTIONS)[ADMIN_SERVICE];
    if (service === undefined) throw new Error(`${ADMIN_PROTO} does not define ${ADMIN_SERVICE}`);
    admin = service as ServiceDefinition;
  }
  return admin;
}

/**
 * Both .proto files, messages and enums included: for reflection, and to hold other codecs against. Fields are named as the
 * files name them; `keepCase: false` names them as admin-messages.ts does. Read from disk at each call.
 */
export function loadDescriptors(options: { readonly keepCase?: boolean } = {}): PackageDefinition {
  return loadSync([DATA_PROTO, ADMIN_PROTO], { ...OPTIONS, keepCase: options.keepCase ?? true });
}
