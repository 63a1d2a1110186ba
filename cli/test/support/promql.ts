/**
 * The part of PromQL that this program's rules and dashboards are written in, read and evaluated: selectors with equality matchers and
 * ranges; `+ - * /`, comparisons that filter, `and`, `or`; sum, max, min and count with `by`; rate, increase, deriv,
 * histogram_quantile, clamp_min; numbers. Anything else is refused, so that no rule is passed that was not understood.
 *
 * Simpler than Prometheus: rate and increase go from the first to the last scrape of the range, without extrapolation; there is no
 * staleness. What the tests ask, which series a rule finds and whether it fires, is the same.
 */
export interface Selector {
  readonly kind: "selector";
  readonly name: string;
  readonly matchers: ReadonlyMap<string, string>;
  readonly rangeMs: number | null;
}

export type Expression =
  | Selector
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "binary"; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "aggregate"; readonly name: string; readonly by: readonly string[]; readonly of: Expression }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] };

export interface Sample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** All series of all instances at one moment. */
export interface Scrape {
  readonly atMs: number;
  readonly series: ReadonlyMap<string, readonly Sample[]>;
}

const PRECEDENCE: readonly (readonly string[])[] = [
  ["or"],
  ["and"],
  ["==", "!=", "<=", ">=", "<", ">"],
  ["+", "-"],
  ["*", "/"],
];
const AGGREGATES = new Set(["sum", "max", "min", "count"]);
const CALLS = new Set(["rate", "increase", "deriv", "histogram_quantile", "clamp_min"]);
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*")|(\d+(?:\.\d+)?[smh](?![\w]))|(\d+(?:\.\d+)?)|([a-zA-Z_:][\w:]*)|(==|!=|<=|>=|[-+*/<>(){}[\],=]))/y;

// ---- reading ----

export function parsePromql(text: string): Expression {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const [token] = TOKEN.exec(text) ?? [];
    if (token === undefined) throw new Error(`not understood: ${text}`);
    tokens.push(token.trim());
  }
  let at = 0;
  const peek = (): string => tokens[at] ?? "";
  const take = (expected?: string): string => {
    const token = tokens[at++] ?? "";
    if (expected !== undefined && token !== expected) throw new Error(`${expected} expected at ${token}: ${text}`);
    return token;
  };
  const binary = (level: number): Expression => {
    const operators = PRECEDENCE[level];
    if (operators === undefined) return operand();
    let left = binary(level + 1);
    while (operators.includes(peek())) left = { kind: "binary", operator: take(), left, right: binary(level + 1) };
    return left;
  };
  const list = (end: string): string[] => {
    const items: string[] = [];
    while (peek() !== end) {
      items.push(take());
      if (peek() !== end) take(",");
    }
    take(end);
    return items;
  };
  const operand = (): Expression => {
    if (peek() === "(") {
      take("(");
      const inside = binary(0);
      take(")");
      return inside;
    }
    const name = take();
    if (/^\d/.test(name)) return { kind: "number", value: Number(name) };
    if (AGGREGATES.has(name)) {
      let by: string[] = [];
      if (peek() === "by") {
        take("by");
        take("(");
        by = list(")");
      }
      take("(");
      const of = binary(0);
      take(")");
      return { kind: "aggregate", name, by, of };
    }
    if (peek() === "(") {
      if (!CALLS.has(name)) throw new Error(`${name} is not understood: ${text}`);
      take("(");
      const args = [binary(0)];
      while (peek() === ",") {
        take(",");
        args.push(binary(0));
      }
      take(")");
      return { kind: "call", name, args };
    }
    if (!/^[a-zA-Z_:]/.test(name)) throw new Error(`${name} is not understood: ${text}`);
    const matchers = new Map<string, string>();
    if (peek() === "{") {
      take("{");
      while (peek() !== "}") {
        const label = take();
        take("=");
        matchers.set(label, JSON.parse(take()) as string);
        if (peek() !== "}") take(",");
      }
      take("}");
    }
    let rangeMs: number | null = null;
    if (peek() === "[") {
      take("[");
      rangeMs = durationMs(take());
      take("]");
    }
    return { kind: "selector", name, matchers, rangeMs };
  };
  const expression = binary(0);
  if (at !== tokens.length) throw new Error(`${peek()} is too much: ${text}`);
  return expression;
}

export function durationMs(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
  const ms = Number(number) * (UNIT_MS[unit] ?? Number.NaN);
  if (number === "" || Number.isNaN(ms)) throw new Error(`no duration: ${text}`);
  return ms;
}

export function selectorsOf(expression: Expression): Selector[] {
  switch (expression.kind) {
    case "selector":
      return [expression];
    case "number":
      return [];
    case "binary":
      return [...selectorsOf(expression.left), ...selectorsOf(expression.right)];
    case "aggregate":
      return selectorsOf(expression.of);
    case "call":
      return expression.args.flatMap(selectorsOf);
  }
}

/** Names of labels that the expression groups by. */
export function groupLabelsOf(expression: Expression): string[] {
  switch (expression.kind) {
    case "selector":
    case "number":
      return [];
    case "binary":
      return [...groupLabelsOf(expression.left), ...groupLabelsOf(expression.right)];
    case "aggregate":
      return [...expression.by, ...groupLabelsOf(expression.of)];
    case "call":
      return expression.args.flatMap(groupLabelsOf);
  }
}

// ---- evaluating ----

/** What the expression gives at the last of the scrapes. */
export function evaluate(expression: Expression, scrapes: readonly Scrape[]): readonly Sample[] {
  const value = valueOf(expression, scrapes);
  return typeof value === "number" ? [{ labels: new Map(), value }] : value;
}

function valueOf(expression: Expression, scrapes: readonly Scrape[]): number | readonly Sample[] {
  switch (expression.kind) {
    case "number":
      return expression.value;
    case "selector":
      return select(expression, scrapes.at(-1));
    case "aggregate":
      return aggregate(expression, vectorOf(expression.of, scrapes));
    case "call":
      return call(expression, scrapes);
    case "binary":
      return combine(expression.operator, valueOf(expression.left, scrapes), valueOf(expression.right, scrapes));
  }
}

function vectorOf(expression: Expression, scrapes: readonly Scrape[]): readonly Sample[] {
  const value = valueOf(expression, scrapes);
  if (typeof value === "number") throw new Error("a vector was expected");
  return value;
}

function select({ name, matchers }: Selector, scrape: Scrape | undefined): Sample[] {
  const samples = scrape?.series.get(name) ?? [];
  return samples.filter(({ labels }) => [...matchers].every(([label, text]) => (labels.get(label) ?? "") === text));
}

function keyOf(labels: ReadonlyMap<string, string>): string {
  return JSON.stringify([...labels].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function aggregate(
  { name, by }: Extract<Expression, { kind: "aggregate" }>,
  samples: readonly Sample[],
): readonly Sample[] {
  const groups = new Map<string, { labels: Map<string, string>; values: number[] }>();
  for (const { labels, value } of samples) {
    const kept = new Map(by.map((label) => [label, labels.get(label) ?? ""]));
    const group = groups.get(keyOf(kept)) ?? { labels: kept, values: [] };
    groups.set(keyOf(kept), group);
    group.values.push(value);
  }
  const fold = {
    sum,
    max: (all: number[]) => Math.max(...all),
    min: (all: number[]) => Math.min(...all),
    count: (all: number[]) => all.length,
  };
  return [...groups.values()].map(({ labels, values }) => ({ labels, value: fold[name as keyof typeof fold](values) }));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function call({ name, args }: Extract<Expression, { kind: "call" }>, scrapes: readonly Scrape[]): readonly Sample[] {
  const [first, second] = args;
  if (first === undefined) throw new Error(`${name} of nothing`);
  if (name === "histogram_quantile") {
    if (first.kind !== "number" || second === undefined) throw new Error("histogram_quantile(number, vector)");
    return quantiles(first.value, vectorOf(second, scrapes));
  }
  if (name === "clamp_min") {
    if (second?.kind !== "number") throw new Error("clamp_min(vector, number)");
    return vectorOf(first, scrapes).map((sample) => ({ ...sample, value: Math.max(sample.value, second.value) }));
  }
  if (first.kind !== "selector" || first.rangeMs === null) throw new Error(`${name} of no range`);
  const lastAt = scrapes.at(-1)?.atMs ?? 0;
  const within = scrapes.filter(({ atMs }) => lastAt - atMs <= (first.rangeMs ?? 0));
  const oldestOf = new Map<string, { readonly atMs: number; readonly value: number }>();
  for (const scrape of within.slice(0, -1)) {
    for (const { labels, value } of select(first, scrape)) {
      const key = keyOf(labels);
      if (!oldestOf.has(key)) oldestOf.set(key, { atMs: scrape.atMs, value });
    }
  }
  return select(first, within.at(-1)).flatMap(({ labels, value }) => {
    const oldest = oldestOf.get(keyOf(labels));
    // Prometheus says nothing of a single point either.
    if (oldest === undefined) return [];
    const seconds = (lastAt - oldest.atMs) / 1_000;
    // A counter that fell began anew.
    const grown = name === "deriv" ? value - oldest.value : value < oldest.value ? value : value - oldest.value;
    return [{ labels, value: name === "increase" ? grown : grown / seconds }];
  });
}

function quantiles(share: number, buckets: readonly Sample[]): Sample[] {
  const groups = new Map<string, { labels: Map<string, string>; counts: [le: number, count: number][] }>();
  for (const { labels, value } of buckets) {
    const kept = new Map([...labels].filter(([label]) => label !== "le"));
    const group = groups.get(keyOf(kept)) ?? { labels: kept, counts: [] };
    groups.set(keyOf(kept), group);
    const le = labels.get("le") ?? "";
    group.counts.push([le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le), value]);
  }
  return [...groups.values()].flatMap(({ labels, counts }) => {
    counts.sort(([a], [b]) => a - b);
    const all = counts.at(-1)?.[1] ?? 0;
    if (all === 0) return [];
    const rank = share * all;
    const slot = counts.findIndex(([, count]) => count >= rank);
    const [high = 0, count = 0] = counts[slot] ?? [];
    const [low, below] = counts[slot - 1] ?? [0, 0];
    // Beyond the last bound there is nothing to go by.
    const value = Number.isFinite(high) ? low + ((high - low) * (rank - below)) / (count - below) : low;
    return [{ labels, value }];
  });
}

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
};
const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

function combine(
  operator: string,
  left: number | readonly Sample[],
  right: number | readonly Sample[],
): number | readonly Sample[] {
  if (typeof left === "number") throw new Error("a number stands on the right side here");
  if (operator === "and" || operator === "or") {
    if (typeof right === "number") throw new Error(`${operator} of a number`);
    const there = new Set(right.map(({ labels }) => keyOf(labels)));
    if (operator === "and") return left.filter(({ labels }) => there.has(keyOf(labels)));
    const own = new Set(left.map(({ labels }) => keyOf(labels)));
    return [...left, ...right.filter(({ labels }) => !own.has(keyOf(labels)))];
  }
  const other = (labels: ReadonlyMap<string, string>): number | undefined =>
    typeof right === "number" ? right : right.find((sample) => keyOf(sample.labels) === keyOf(labels))?.value;
  return left.flatMap(({ labels, value }) => {
    const against = other(labels);
    if (against === undefined) return [];
    const calculate = ARITHMETIC[operator];
    if (calculate !== undefined) return [{ labels, value: calculate(value, against) }];
    return COMPARISONS[operator]?.(value, against) === true ? [{ labels, value }] : [];
  });
}
