/**
 * The shape of one row of the configuration table, and the types that follow from rows. A row is data: parser, typed
 * configuration, `describe` answers and the documentation page are all made from it.
 *
 * Names: outside a key is spelled as Kafka spells it (`min.insync.replicas`), inside it is the same in camelCase
 * (`minInsyncReplicas`); Tidemark's own keys lose their prefix inside (`tidemark.durability` is `durability`).
 */

export type RowType = "int" | "long" | "double" | "boolean" | "string" | "list" | "listeners" | "voters";

export type Unit = "ms" | "s" | "min" | "bytes";

export type Profile = "server" | "dev";

/**
 * Kafka's dynamic update modes: `cluster-wide` for all brokers, and for one of them over that; `cluster-only` for all of them
 * alone, where brokers that differ would break a promise.
 */
export type UpdateMode = "cluster-wide" | "cluster-only";

export interface Row {
  readonly key: string;
  readonly type: RowType;
  /** As text, read by the same parser as a value from the file. Null: unset, `derived` then says what holds instead. */
  readonly default: string | null;
  readonly derived?: string;
  /** What the profile of `tidemark dev` and of test clusters has instead. */
  readonly dev?: { readonly default?: string; readonly min?: number };
  /** Bounds of a number, both included. */
  readonly min?: number;
  readonly max?: number;
  /** Legal values of a string, or of the items of a list. */
  readonly values?: readonly string[];
  readonly unit?: Unit;
  /** Who must agree on it: all brokers of a cluster, or one broker. Topic rows may be overridden per topic. */
  readonly scope: "cluster" | "broker" | "topic";
  /** Topic rows: the key that sets the default of all topics in the broker's configuration. */
  readonly brokerKey?: string;
  /** Other spellings of the broker's key in coarser units; the value is multiplied by `factor`. */
  readonly aliases?: readonly { readonly key: string; readonly factor: number }[];
  readonly sensitive?: boolean;
  /** Where a running cluster takes a new value of the broker's key. Absent: nowhere, it is read at start alone. */
  readonly update?: UpdateMode;
  /** Accepted and checked, but what it steers is not built yet: setting it is answered by a warning. */
  readonly withoutEffect?: boolean;
  /** The same of single items of a list. */
  readonly withoutEffectItems?: readonly string[];
  readonly doc: string;
  readonly example?: string;
}

/** Where brokers and people reach one door of a broker. */
export interface Listener {
  readonly name: string;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** A node that votes on the cluster's metadata, and where its peer door stands. */
export interface Voter {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

type Camel<Text extends string> = Text extends `${infer Head}.${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Text;

/** `log.dirs` → `logDirs`, `tidemark.create.wait` → `createWait`. */
export type FieldOf<Key extends string> = Key extends `tidemark.${infer Own}` ? Camel<Own> : Camel<Key>;

type Parsed<R extends Row> = R extends { readonly type: "int" | "long" | "double" }
  ? number
  : R extends { readonly type: "boolean" }
    ? boolean
    : R extends { readonly type: "list" }
      ? readonly string[]
      : R extends { readonly type: "listeners" }
        ? readonly Listener[]
        : R extends { readonly type: "voters" }
          ? readonly Voter[]
          : R extends { readonly values: readonly (infer Value)[] }
            ? Value
            : string;

/** The value that a row has in a loaded configuration; null only where the row has no default. */
export type ValueOf<R extends Row> = R extends { readonly default: null } ? Parsed<R> | null : Parsed<R>;

/** The typed fields of a list of rows. */
export type ValuesOf<Rows extends readonly Row[]> = {
  readonly [R in Rows[number] as FieldOf<R["key"]>]: ValueOf<R>;
};

/** What FieldOf says, at run time. */
export function fieldOf(key: string): string {
  const own = key.startsWith("tidemark.") ? key.slice("tidemark.".length) : key;
  return own.replace(/\.([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
