/** Client options from environment variables. Names that would have to be ignored are refused: a login must not be lost. */
import { readFileSync } from "node:fs";
import { BrokerError, invalidArgument } from "./errors.ts";
import type { ClientOptions, TlsOptions } from "./types.ts";

/** @throws BrokerError INVALID_ARGUMENT, UNSUPPORTED */
export function optionsFromEnv(env: NodeJS.ProcessEnv): ClientOptions {
  const brokers = env["TIDEMARK_BROKERS"];
  if (brokers === undefined || brokers.trim() === "") throw invalidArgument("TIDEMARK_BROKERS is not set");
  const login = Object.keys(env).find((name) => name.startsWith("TIDEMARK_SASL_"));
  if (login !== undefined)
    throw new BrokerError("UNSUPPORTED", `${login} is set, and this version of the client cannot log in`);
  const tls = tlsFromEnv(env);
  return { brokers, ...(tls === null ? {} : { tls }) };
}

function tlsFromEnv(env: NodeJS.ProcessEnv): TlsOptions | boolean | null {
  const ca = fileNamedBy(env, "TIDEMARK_TLS_CA");
  const cert = fileNamedBy(env, "TIDEMARK_TLS_CERT");
  const key = fileNamedBy(env, "TIDEMARK_TLS_KEY");
  const serverName = env["TIDEMARK_TLS_SERVER_NAME"];
  const given = {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
  };
  const flag = env["TIDEMARK_TLS"];
  if (flag !== undefined && flag !== "true" && flag !== "false")
    throw invalidArgument(`TIDEMARK_TLS is true or false, not ${JSON.stringify(flag)}`);
  if (flag === "false") return false;
  if (Object.keys(given).length > 0) return given;
  return flag === "true" ? true : null;
}

function fileNamedBy(env: NodeJS.ProcessEnv, name: string): Buffer | null {
  const path = env[name];
  if (path === undefined) return null;
  try {
    return readFileSync(path);
  } catch (error: unknown) {
    throw invalidArgument(`${name} names ${path}, which cannot be read`, { cause: error });
  }
}
