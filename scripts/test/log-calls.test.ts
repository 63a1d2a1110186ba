/**
 * Log lines are interface (docs/logging.md): messages are constants, so that they can be searched for and limited, and fields have
 * the names of the page. Read out of the sources, so that a line that no test brings about is held to it, too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "@babel/parser";
import { expect } from "chai";

const root = resolve(import.meta.dirname, "../../..");
const LEVELS = new Set(["debug", "info", "warn", "error"]);
/** What `tidemark.log.levels` takes. */
const COMPONENTS = "broker/src/config/log-components.ts";
/** Where lines are made of what is handed in. */
const PASSES_ON = ["broker/src/platform/logger.ts", "broker/src/ports/logger.ts"];

interface Node {
  readonly type: string;
  readonly loc?: { readonly start: { readonly line: number } };
  readonly [key: string]: unknown;
}

interface LogCall {
  readonly place: string;
  readonly message: Node | undefined;
  readonly fields: Node | undefined;
  /** Constants of the file, by name. */
  readonly constants: ReadonlyMap<string, Node>;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function* nodesOf(node: Node): Iterable<Node> {
  yield node;
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) yield* nodesOf(child);
  }
}

function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "Identifier") return String(node["name"]);
  if (node.type === "PrivateName") return nameOf(node["id"]);
  if (node.type === "MemberExpression" || node.type === "OptionalMemberExpression") return nameOf(node["property"]);
  return "";
}

function nodesIn(path: string): Iterable<Node> {
  const ast = parse(readFileSync(join(root, path), "utf8"), { sourceType: "module", plugins: ["typescript"] });
  return nodesOf(ast as unknown as Node);
}

function* logCalls(path: string): Iterable<LogCall> {
  const nodes = [...nodesIn(path)];
  const constants = new Map<string, Node>();
  for (const node of nodes) {
    if (node.type === "VariableDeclarator" && isNode(node["init"])) constants.set(nameOf(node["id"]), node["init"]);
  }
  for (const node of nodes) {
    const { callee } = node;
    if (node.type !== "CallExpression" || !isNode(callee) || callee.type !== "MemberExpression") continue;
    if (!LEVELS.has(nameOf(callee["property"])) || !/logger$/i.test(nameOf(callee["object"]))) continue;
    const [message, fields] = node["arguments"] as Node[];
    yield { place: `${path}:${node.loc?.start.line ?? 0}`, message, fields, constants };
  }
}

/** The names of the fields; throws where they cannot be told. */
function* fieldNames(fields: Node | undefined, { constants, place }: LogCall): Iterable<string> {
  if (fields === undefined) return;
  if (fields.type === "Identifier") {
    const constant = constants.get(nameOf(fields));
    // Handed in by a caller, whose own object is looked at where it is made.
    if (constant !== undefined) yield* fieldNames(constant, { constants, place, message: undefined, fields });
    return;
  }
  if (fields.type === "ConditionalExpression") {
    for (const part of [fields["consequent"], fields["alternate"]]) {
      if (isNode(part)) yield* fieldNames(part, { constants, place, message: undefined, fields });
    }
    return;
  }
  if (fields.type !== "ObjectExpression") throw new Error(`${place}: fields that cannot be read`);
  for (const property of fields["properties"] as Node[]) {
    if (property.type === "SpreadElement" && isNode(property["argument"])) {
      yield* fieldNames(property["argument"], { constants, place, message: undefined, fields });
    } else {
      yield nameOf(property["key"]);
    }
  }
}

/** First column of the page's tables. */
function namesOfPage(): Set<string> {
  const page = readFileSync(join(root, "docs/logging.md"), "utf8");
  return new Set([...page.matchAll(/^\| `([A-Za-z]+)` \|/gm)].map(([, name = ""]) => name));
}

describe("log lines of the broker", () => {
  const sources = readdirSync(join(root, "broker/src"), { recursive: true, encoding: "utf8" })
    .map((name) => `broker/src/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts") && !PASSES_ON.includes(path));
  const calls = sources.flatMap((path) => [...logCalls(path)]);

  it("are found", () => {
    expect(calls.length).to.be.above(25);
  });

  it("have constant messages", () => {
    const made = calls.filter(({ message }) => message?.type !== "StringLiteral");
    expect(made.map(({ place }) => place)).to.deep.equal([]);
  });

  it("come from the components that tidemark.log.levels and docs/logging.md name, and from all of these", () => {
    // The logger that all others are children of.
    const written = new Set(["broker"]);
    for (const path of sources.filter((name) => name !== COMPONENTS)) {
      for (const node of nodesIn(path)) {
        const { callee } = node;
        if (node.type !== "CallExpression" || !isNode(callee) || nameOf(callee) !== "child") continue;
        if (!/logger$/i.test(nameOf(callee["object"]))) continue;
        const [component] = node["arguments"] as Node[];
        written.add(component?.type === "StringLiteral" ? String(component["value"]) : `${path}: no constant`);
      }
    }
    const listed = [...nodesIn(COMPONENTS)].filter(({ type }) => type === "StringLiteral").map((node) => node["value"]);
    expect([...written]).to.have.members(listed);
    const page = readFileSync(join(root, "docs/logging.md"), "utf8");
    const [, row = ""] = /^\| `component` \| (.*) \|$/m.exec(page) ?? [];
    expect(row.split(", ")).to.deep.equal(listed.map((name) => `\`${String(name)}\``));
  });

  it("have fields of the names of docs/logging.md, all of which are used", () => {
    const known = namesOfPage();
    const written = new Set(["ts", "level", "node", "component", "msg", "suppressed", "clientId", "requestId"]);
    const unknown: string[] = [];
    for (const call of calls) {
      for (const name of fieldNames(call.fields, call)) {
        written.add(name);
        if (!known.has(name)) unknown.push(`${call.place}: ${name}`);
      }
    }
    expect(unknown).to.deep.equal([]);
    expect(
      [...known].filter((name) => !written.has(name)),
      "on the page, but nowhere written",
    ).to.deep.equal([]);
  });
});
