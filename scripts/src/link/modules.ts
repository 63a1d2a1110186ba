/**
 * Reads compiled modules, beginning at one, and rewrites each as the body of a function that answers with its exports.
 * Pure but for the reader handed in.
 */
import { parse } from "@babel/parser";
import type { ExportNamedDeclaration, ImportDeclaration, Node, Statement } from "@babel/types";
import { posix } from "node:path";

export interface Module {
  /** From the root: `broker/dist/src/storage/segment.js`. */
  readonly path: string;
  /** Modules of ours that must be there before it. */
  readonly imports: readonly string[];
  /** Modules of ours that it loads when it needs them; its body says `import("PATH")`. */
  readonly lazyImports: readonly string[];
  /** Modules of Node's, `node:fs`. */
  readonly builtins: readonly string[];
  /** Packages of ours in whose name it requires something or asks where it lies. */
  readonly packages: readonly string[];
  /** Statements; the last one returns the exports. */
  readonly body: string;
}

export type ReadText = (path: string) => string;

/** What modules write that linked files cannot hold. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}

/** What the exports of a module are called in linked files: `$broker_storage_segment`, `$node_fs`. */
export function nameOf(path: string): string {
  return `$${path.replace("/dist/src/", "/").replace(/\.js$/, "").replaceAll(/\W/g, "_")}`;
}

/** @returns by path, in the order of evaluation */
export function readModules(entry: string, read: ReadText): Map<string, Module> {
  const modules = new Map<string, Module>();
  const entries = [entry];
  const open: string[] = [];
  const visit = (path: string): void => {
    if (modules.has(path)) return;
    if (open.includes(path)) throw new LinkError(`a circle of imports: ${[...open, path].join(" → ")}`);
    open.push(path);
    const module = new ModuleReader(path, read).read();
    module.imports.forEach(visit);
    open.pop();
    modules.set(path, module);
    entries.push(...module.lazyImports);
  };
  // Grows while it is walked.
  for (const path of entries) visit(path);
  return modules;
}

type Place = Pick<Node, "start" | "end">;

/** A stretch of the text and what takes its place. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Token {
  readonly type: { readonly label: string };
  readonly value?: unknown;
  readonly start: number;
  readonly end: number;
}

class ModuleReader {
  readonly #path: string;
  readonly #package: string;
  readonly #read: ReadText;
  readonly #text: string;
  readonly #edits: Edit[] = [];
  readonly #exports: string[] = [];
  readonly #imports = new Set<string>();
  readonly #lazyImports = new Set<string>();
  readonly #builtins = new Set<string>();
  readonly #packages = new Set<string>();

  constructor(path: string, read: ReadText) {
    this.#path = path;
    this.#package = path.split("/")[0] ?? "";
    this.#read = read;
    this.#text = read(path);
  }

  read(): Module {
    const ast = parse(this.#text, { sourceType: "module", tokens: true });
    for (const statement of ast.program.body) this.#statement(statement);
    this.#expressions((ast.tokens ?? []) as Token[]);
    return {
      path: this.#path,
      imports: [...this.#imports],
      lazyImports: [...this.#lazyImports],
      builtins: [...this.#builtins],
      packages: [...this.#packages],
      body: `${this.#edited()}\nreturn { ${this.#exports.join(", ")} };`,
    };
  }

  #statement(node: Statement): void {
    if (node.type === "ImportDeclaration") this.#replace(node, this.#importStatement(node));
    else if (node.type === "ExportAllDeclaration") this.#exportAll(node.source.value, node);
    else if (node.type === "ExportNamedDeclaration") this.#exportNamed(node);
    else if (node.type === "ExportDefaultDeclaration") throw this.#error("export default");
  }

  /** `import { a as b } from "./x.js"` → `const { a: b } = $x`. */
  #importStatement({ source, specifiers }: ImportDeclaration): string {
    const from = this.#exportsOf(source.value);
    const named = specifiers.flatMap((one) =>
      one.type === "ImportSpecifier" ? [`${nameIn(one.imported)}: ${one.local.name}`] : [],
    );
    const whole = specifiers.flatMap((one) => (one.type === "ImportSpecifier" ? [] : [one.local.name]));
    return [
      ...whole.map((name) => `const ${name} = ${from};`),
      ...(named.length === 0 ? [] : [`const { ${named.join(", ")} } = ${from};`]),
    ].join(" ");
  }

  #exportNamed(node: ExportNamedDeclaration): void {
    const { declaration, source, specifiers } = node;
    if (declaration !== null && declaration !== undefined) {
      if (declaration.type === "VariableDeclaration") {
        if (declaration.kind !== "const") throw this.#error(`export ${declaration.kind}`);
        for (const { id } of declaration.declarations) {
          if (id.type !== "Identifier") throw this.#error("export of a pattern");
          this.#exports.push(id.name);
        }
      } else if (declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration") {
        this.#exports.push(declaration.id?.name ?? "");
      } else throw this.#error(declaration.type);
      this.#replace({ start: node.start ?? 0, end: declaration.start ?? 0 }, "");
      return;
    }
    const from = source === null || source === undefined ? null : this.#exportsOf(source.value);
    for (const one of specifiers) {
      if (one.type !== "ExportSpecifier") throw this.#error("export * as");
      const name = one.local.name;
      this.#exports.push(`${nameIn(one.exported)}: ${from === null ? name : `${from}.${name}`}`);
    }
    this.#replace(node, "");
  }

  #exportAll(specifier: string, node: Statement): void {
    this.#exports.push(`...${this.#exportsOf(specifier)}`);
    this.#replace(node, "");
  }

  /** `import("…")` and `import.meta`, wherever they stand. */
  #expressions(tokens: readonly Token[]): void {
    for (const [slot, token] of tokens.entries()) {
      if (token.type.label !== "import") continue;
      const [next, after, last] = tokens.slice(slot + 1, slot + 4);
      if (next?.type.label === "(" && after?.type.label === "string" && last?.type.label === ")")
        this.#replace({ start: token.start, end: last.end }, this.#lazyImport(String(after.value)));
      else if (next?.type.label === "." && after?.value === "meta") {
        this.#packages.add(this.#package);
        const place = JSON.stringify(this.#path.slice(this.#package.length + 1));
        this.#replace({ start: token.start, end: after.end }, `$meta_${this.#package}(${place})`);
      }
    }
  }

  #lazyImport(specifier: string): string {
    if (specifier.startsWith("node:")) return `import("${specifier}")`;
    const path = this.#resolve(specifier);
    if (path === null) {
      const required = this.#exportsOf(specifier);
      return `Promise.resolve().then(() => { const all = ${required}; return { __proto__: all, default: all }; })`;
    }
    this.#lazyImports.add(path);
    return `import("${path}")`;
  }

  /** An expression for what a specifier brings. */
  #exportsOf(specifier: string): string {
    if (specifier.startsWith("node:")) {
      this.#builtins.add(specifier);
      return nameOf(specifier);
    }
    const path = this.#resolve(specifier);
    if (path === null) {
      this.#packages.add(this.#package);
      return `$require_${this.#package}("${specifier}")`;
    }
    this.#imports.add(path);
    return nameOf(path);
  }

  /** @returns null for a package of npm's */
  #resolve(specifier: string): string | null {
    if (specifier.startsWith(".")) return posix.join(posix.dirname(this.#path), specifier);
    const [, name, below] = /^@tidemark\/(\w+)(.*)$/.exec(specifier) ?? [];
    if (name === undefined) return null;
    const manifest = JSON.parse(this.#read(`${name}/package.json`)) as {
      readonly exports: Readonly<Record<string, { readonly default: string }>>;
    };
    const found = manifest.exports[`.${below}`];
    if (found === undefined) throw this.#error(specifier);
    return posix.join(name, found.default);
  }

  #replace({ start, end }: Place, text: string): void {
    this.#edits.push({ start: start ?? 0, end: end ?? 0, text });
  }

  /** Every line stays where it is. */
  #edited(): string {
    let at = 0;
    let text = "";
    for (const edit of this.#edits.toSorted((a, b) => a.start - b.start)) {
      const lines = this.#text.slice(edit.start, edit.end).split("\n").length - 1;
      text += this.#text.slice(at, edit.start) + edit.text + "\n".repeat(lines);
      at = edit.end;
    }
    return (text + this.#text.slice(at)).replace(/\n\/\/# sourceMappingURL=.*\s*$/, "");
  }

  #error(what: string): LinkError {
    return new LinkError(`${this.#path}: linked files cannot hold \`${what}\``);
  }
}

function nameIn(
  node: { readonly type: "Identifier"; readonly name: string } | { readonly type: "StringLiteral" },
): string {
  if (node.type === "Identifier") return node.name;
  throw new LinkError("linked files cannot hold names in quotes");
}
