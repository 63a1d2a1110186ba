/**
 * What a bundle need not tell a stranger: names of topics, hosts and racks are replaced by numbered ones, wherever they stand in
 * its texts, and each by the same. Keys, numbers and what the program says itself stay.
 */
export interface KnownNames {
  readonly topics: readonly string[];
  readonly hosts: readonly string[];
  readonly racks: readonly string[];
}

/** `1@host:9392`, `GRPC://host:9192`. */
const ADDRESS = /(?:@|:\/\/)(\[[\d.A-Fa-f:]+\]|[^\s:/,@]+):\d+/g;

/** What a connection was refused by, which may be no name that anybody gave. */
const NUMERIC_ADDRESS = /(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3}):\d+/g;

/** Names that stand in what is to be redacted and in no list: topics that are deleted, the hosts of other doors. */
export function namesIn(value: unknown): Pick<KnownNames, "topics" | "hosts"> {
  const topics = new Set<string>();
  const hosts = new Set<string>();
  const look = (one: unknown, key: string): void => {
    if (typeof one === "string") {
      if (key === "topic") topics.add(one);
      if (key === "host") hosts.add(one);
      for (const pattern of [ADDRESS, NUMERIC_ADDRESS])
        for (const [, host = ""] of one.matchAll(pattern)) hosts.add(host.replaceAll(/[[\]]/g, ""));
    } else if (Array.isArray(one)) for (const each of one) look(each, key);
    else if (typeof one === "object" && one !== null) for (const [name, each] of Object.entries(one)) look(each, name);
  };
  look(value, "");
  return { topics: [...topics], hosts: [...hosts] };
}

export type Redact = (value: unknown) => unknown;

export function redactionOf(names: KnownNames): Redact {
  const stands = new Map<string, string>();
  for (const [kind, all] of [
    ["topic", names.topics],
    ["host", names.hosts],
    ["rack", names.racks],
  ] as const)
    for (const [slot, name] of [...new Set(all)].filter((one) => one !== "").entries())
      if (!stands.has(name)) stands.set(name, `${kind}-${slot + 1}`);
  if (stands.size === 0) return (value) => value;
  // The longest first: one name may begin as another does. Behind it may follow what parts a name from a number.
  const found = [...stands.keys()]
    .toSorted((a, b) => b.length - a.length)
    .map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  const pattern = new RegExp(`(?<![\\w.-])(?:${found.join("|")})(?!\\w|[.-][A-Za-z_])`, "g");
  const redact = (value: unknown): unknown => {
    if (typeof value === "string") return value.replace(pattern, (name) => stands.get(name) ?? name);
    if (Array.isArray(value)) return value.map(redact);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [redact(key) as string, redact(one)]));
  };
  return redact;
}
