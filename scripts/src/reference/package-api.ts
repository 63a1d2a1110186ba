/**
 * What a package exports, from its compiled declarations: each name with its docstring and its declaration as the compiler
 * wrote it. Re-exports are followed, within the package and to the other packages of the repository.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "@babel/parser";
import type { Comment, Statement } from "@babel/types";

export interface ApiEntry {
  readonly name: string;
  /** Without comment marks; empty when there is none. */
  readonly docstring: string;
  readonly declaration: string;
}

export interface PackageApi {
  /** The statement of purpose that the module opens with. */
  readonly purpose: string;
  readonly entries: readonly ApiEntry[];
}

/** `path` is that of the package's `index.d.ts`. */
export function packageApi(path: string): PackageApi {
  const { text, statements } = read(path);
  const [opening] = statements[0]?.leadingComments ?? [];
  return {
    purpose: opening === undefined ? "" : plain(opening),
    entries: statements.flatMap((statement) => entriesOf(path, text, statement)),
  };
}

interface Module {
  readonly text: string;
  readonly statements: readonly Statement[];
}

function read(path: string): Module {
  const text = readFileSync(path, "utf8");
  const { program } = parse(text, { sourceType: "module", plugins: [["typescript", { dts: true }]] });
  return { text, statements: program.body };
}

function entriesOf(path: string, text: string, statement: Statement): readonly ApiEntry[] {
  if (statement.type === "ExportAllDeclaration") return allOf(targetOf(path, statement.source.value));
  if (statement.type !== "ExportNamedDeclaration") return [];
  if (statement.declaration !== null && statement.declaration !== undefined) {
    const name = nameOf(statement.declaration);
    return name === null ? [] : [entryOf(name, text, statement)];
  }
  const { source } = statement;
  if (source === null || source === undefined) return [];
  const wanted = statement.specifiers.flatMap((one) =>
    one.type === "ExportSpecifier" && one.exported.type === "Identifier"
      ? [{ local: one.local.name, name: one.exported.name }]
      : [],
  );
  const found = allOf(targetOf(path, source.value));
  return wanted.map(({ local, name }) => {
    const entry = found.find((candidate) => candidate.name === local);
    if (entry === undefined) throw new Error(`${path} exports ${local}, which ${source.value} does not`);
    return { ...entry, name };
  });
}

function allOf(path: string): readonly ApiEntry[] {
  const { text, statements } = read(path);
  return joinOverloads(statements.flatMap((statement) => entriesOf(path, text, statement)));
}

/** The overloads of a function are one entry. */
function joinOverloads(entries: readonly ApiEntry[]): readonly ApiEntry[] {
  const byName = new Map<string, ApiEntry>();
  for (const entry of entries) {
    const before = byName.get(entry.name);
    const declaration = before === undefined ? entry.declaration : `${before.declaration}\n${entry.declaration}`;
    byName.set(entry.name, { ...(before ?? entry), declaration });
  }
  return [...byName.values()];
}

function targetOf(path: string, source: string): string {
  const target = source.startsWith(".") ? join(dirname(path), source) : fileURLToPath(import.meta.resolve(source));
  return target.replace(/\.(ts|js)$/, ".d.ts");
}

function nameOf(declaration: Statement): string | null {
  if (declaration.type === "VariableDeclaration") {
    const [first] = declaration.declarations;
    return first?.id.type === "Identifier" ? first.id.name : null;
  }
  return "id" in declaration && declaration.id?.type === "Identifier" ? declaration.id.name : null;
}

function entryOf(name: string, text: string, statement: Statement): ApiEntry {
  const comment = statement.leadingComments?.at(-1);
  const declaration = text
    .slice(statement.start ?? 0, statement.end ?? 0)
    .replace(/^export (declare )?/, "")
    // What only the compiler and the package itself need.
    .replaceAll(/^ +#private;\n/gm, "")
    .replaceAll(/^ +\/\*\* Made by [^\n]*\n +constructor\([\s\S]*?\n? *\);\n/gm, "");
  return { name, docstring: comment === undefined ? "" : plain(comment), declaration };
}

function plain({ value }: Comment): string {
  return value
    .split("\n")
    .map((line) => line.replace(/^\s*\*? ?/, "").trimEnd())
    .join("\n")
    .trim();
}
