/**
 * `--where EXPR`: which records are shown. A small language of its own; nothing of it is ever run as code.
 *
 *     value.amount > 100 && key == "customer-7"        partition == 0 || headers.source =~ "^shop"
 *     !(value.state in ["done", "failed"])             value.items[0].sku != null
 *
 * Names: topic, partition, offset, timestamp (Unix ms), key, value, headers.NAME. `key` and `value` are texts; with a path behind
 * it `value` (and `key`) is read as JSON. What is not there is null. `<` and `>` compare numbers with numbers and texts with
 * texts, by code units, and hold for nothing else. `=~` is a regular expression.
 *
 *     or := and ("||" and)*      and := not ("&&" not)*      not := "!" not | "(" or ")" | test
 *     test := operand (("==" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "in") operand)?
 *     operand := name ("." part | "[" number "]")* | number | text | true | false | null | "[" operand, ... "]"
 */
import { usageFailure } from "../failure.ts";
import { parseRegExp } from "./regexp.ts";

/** What an expression may ask of a record. */
export interface RecordView {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  /** As text; null where there is none. */
  key(): string | null;
  value(): string | null;
  header(name: string): string | null;
}

export type Predicate = (record: RecordView) => boolean;
type Operand = (record: RecordView) => unknown;
type Path = readonly (string | number)[];

const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_][\w-]*)|(&&|\|\||==|!=|<=|>=|=~|[-!()<>[\].,]))/y;

/** @throws CliFailure USAGE that shows where it stops making sense */
export function parseWhere(text: string): Predicate {
  const parser = new Parser(tokensOf(text), text);
  const predicate = parser.or();
  parser.expectEnd();
  return predicate;
}

interface Token {
  readonly kind: "number" | "text" | "name" | "sign" | "end";
  readonly text: string;
  readonly at: number;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw wrong(text, at, "something unexpected stands");
    const [, number, quoted, name, sign] = match;
    const start = TOKEN.lastIndex - (number ?? quoted ?? name ?? sign ?? "").length;
    if (number !== undefined) tokens.push({ kind: "number", text: number, at: start });
    else if (quoted !== undefined) tokens.push({ kind: "text", text: unquoted(quoted), at: start });
    else if (name !== undefined) tokens.push({ kind: "name", text: name, at: start });
    else tokens.push({ kind: "sign", text: sign ?? "", at: start });
  }
  tokens.push({ kind: "end", text: "", at: text.length });
  return tokens;
}

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => ({ n: "\n", t: "\t" })[letter] ?? letter);
}

function wrong(text: string, at: number, what: string): Error {
  const place = at >= text.trimEnd().length ? "at its end" : `at \`${text.slice(at).trim().slice(0, 20)}\``;
  return usageFailure(`${what} ${place}`, "as in --where 'value.amount > 100 && key == \"k\"'");
}

const NAMES: ReadonlySet<string> = new Set(["topic", "partition", "offset", "timestamp", "key", "value", "headers"]);
const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">=", "=~", "in"]);

class Parser {
  readonly #tokens: readonly Token[];
  readonly #text: string;
  #next = 0;

  constructor(tokens: readonly Token[], text: string) {
    this.#tokens = tokens;
    this.#text = text;
  }

  or(): Predicate {
    const parts = [this.#and()];
    while (this.#take("||")) parts.push(this.#and());
    return (record) => parts.some((part) => part(record));
  }

  expectEnd(): void {
    if (this.#peek.kind !== "end") throw this.#wrong("the end was expected");
  }

  #and(): Predicate {
    const parts = [this.#not()];
    while (this.#take("&&")) parts.push(this.#not());
    return (record) => parts.every((part) => part(record));
  }

  #not(): Predicate {
    if (this.#take("!")) {
      const inner = this.#not();
      return (record) => !inner(record);
    }
    if (this.#take("(")) {
      const inner = this.or();
      if (!this.#take(")")) throw this.#wrong("a closing parenthesis is missing");
      return inner;
    }
    return this.#test();
  }

  #test(): Predicate {
    const left = this.#operand();
    const sign = this.#peek.text;
    if (this.#peek.kind === "text" || !COMPARISONS.has(sign)) return (record) => isTrue(left(record));
    this.#next += 1;
    if (sign === "=~") {
      const expression = this.#expression();
      return (record) => {
        const text = left(record);
        return typeof text === "string" && expression.test(text);
      };
    }
    const right = this.#operand();
    return (record) => compare(sign, left(record), right(record));
  }

  #expression(): RegExp {
    if (this.#peek.kind !== "text") throw this.#wrong("a regular expression in quotes is missing");
    const { text } = this.#peek;
    try {
      const expression = parseRegExp(text);
      this.#next += 1;
      return expression;
    } catch {
      throw this.#wrong("what is no regular expression stands");
    }
  }

  #operand(): Operand {
    const { kind, text } = this.#peek;
    if (kind === "number" || kind === "text") {
      this.#next += 1;
      const constant = kind === "number" ? Number(text) : text;
      return () => constant;
    }
    if (this.#take("-")) {
      if (this.#peek.kind !== "number") throw this.#wrong("a number is missing");
      const constant = -Number(this.#peek.text);
      this.#next += 1;
      return () => constant;
    }
    if (this.#take("[")) return this.#list();
    if (kind !== "name") throw this.#wrong("a name, number or text is missing");
    if (text === "true" || text === "false" || text === "null") {
      this.#next += 1;
      const constant = text === "null" ? null : text === "true";
      return () => constant;
    }
    if (!NAMES.has(text)) throw this.#wrong(`${text} is none of ${[...NAMES].join(", ")},`);
    this.#next += 1;
    return this.#field(text, this.#path());
  }

  #list(): Operand {
    const items: Operand[] = [];
    while (!this.#take("]")) {
      if (items.length > 0 && !this.#take(",")) throw this.#wrong("a comma is missing");
      items.push(this.#operand());
    }
    return (record) => items.map((item) => item(record));
  }

  #path(): Path {
    const path: (string | number)[] = [];
    for (;;) {
      if (this.#take(".")) {
        if (this.#peek.kind !== "name" && this.#peek.kind !== "text") throw this.#wrong("a name is missing");
        path.push(this.#peek.text);
        this.#next += 1;
      } else if (this.#take("[")) {
        if (this.#peek.kind !== "number") throw this.#wrong("a number is missing");
        path.push(Number(this.#peek.text));
        this.#next += 1;
        if (!this.#take("]")) throw this.#wrong("a closing bracket is missing");
      } else {
        return path;
      }
    }
  }

  #field(name: string, path: Path): Operand {
    switch (name) {
      case "key":
        return path.length === 0 ? (record) => record.key() : (record) => jsonAt(record.key(), path);
      case "value":
        return path.length === 0 ? (record) => record.value() : (record) => jsonAt(record.value(), path);
      case "headers": {
        const [header] = path;
        if (typeof header !== "string" || path.length > 1)
          throw this.#wrong("headers.NAME is meant, but something else stands");
        return (record) => record.header(header);
      }
      default:
        if (path.length > 0) throw this.#wrong(`${name} has no parts, and one is asked for`);
        return (record) => Reflect.get(record, name);
    }
  }

  get #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: "end", text: "", at: this.#text.length };
  }

  #take(sign: string): boolean {
    if (this.#peek.kind !== "sign" || this.#peek.text !== sign) return false;
    this.#next += 1;
    return true;
  }

  #wrong(what: string): Error {
    return wrong(this.#text, this.#peek.at, what);
  }
}

/** What stands at a path of a JSON text; null where it is none, or has nothing there. */
function jsonAt(text: string | null, path: Path): unknown {
  let value: unknown;
  try {
    value = text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return null;
    value = Reflect.get(value, part);
  }
  return value;
}

function isTrue(value: unknown): boolean {
  return value !== null && value !== undefined && value !== false && value !== 0 && value !== "";
}

function compare(sign: string, left: unknown, right: unknown): boolean {
  if (sign === "==") return left === right;
  if (sign === "!=") return left !== right;
  if (sign === "in") return Array.isArray(right) && right.includes(left);
  const order = orderOf(left, right);
  if (order === null) return false;
  switch (sign) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    default:
      return order >= 0;
  }
}

function orderOf(left: unknown, right: unknown): number | null {
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left === "string" && typeof right === "string") return left < right ? -1 : left > right ? 1 : 0;
  return null;
}
