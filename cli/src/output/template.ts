/**
 * `-o template='{name}: {partitions}'`: keys of the row's JSON form in braces, with dots into what they hold
 * (`{detail.0.leader}`). `{{` is a brace; `\n` and `\t` are what they are in most languages.
 */
import { usageFailure } from "../failure.ts";

/** @throws CliFailure USAGE when the row has no such key */
export function fillTemplate(template: string, row: object): string {
  return template.replace(/\{\{|\\n|\\t|\{([^{}]*)\}/g, (match, path: string | undefined) => {
    if (path !== undefined) return textAt(row, path.trim());
    return match === "\\n" ? "\n" : match === "\\t" ? "\t" : "{";
  });
}

function textAt(row: object, path: string): string {
  let value: unknown = row;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) {
      const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
      throw usageFailure(
        `the template asks for {${path}}, and there is no ${key}`,
        keys.length === 0 ? undefined : `there is ${keys.join(", ")}`,
      );
    }
    value = Reflect.get(value, key);
  }
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
