/** Whose settings: `topic/T`, `broker/1`, `cluster`. */
import { usageFailure } from "../failure.ts";
import { parseWholeNumber } from "./numbers.ts";

export type Resource =
  | { readonly type: "topic"; readonly name: string }
  | { readonly type: "broker"; readonly id: number }
  | { readonly type: "cluster" };

/** The topic's name is not looked at; the rule for it is not loaded for help. @throws CliFailure USAGE */
export function parseResource(text: string): Resource {
  if (text === "cluster") return { type: "cluster" };
  const [, type = "", name = ""] = /^(topic|broker)\/(.+)$/s.exec(text) ?? [];
  if (type === "broker") return { type, id: parseWholeNumber(name, { min: 0, max: 2 ** 31 - 1 }) };
  if (type === "topic") return { type, name };
  throw usageFailure("expected topic/NAME, broker/ID or cluster");
}
