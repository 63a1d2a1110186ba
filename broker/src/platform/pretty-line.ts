/** A log line for people at a terminal, made of the JSON line that a program would get. */

const TIME = /T(\d\d:\d\d:\d\d\.\d{3})Z/;

/** Time of day (UTC), level, component, message, then the fields as key=value; with a final LF. */
export function prettyLine(json: string): string {
  const { ts, level, node: _node, component, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const time = TIME.exec(String(ts))?.[1] ?? String(ts);
  const pairs = Object.entries(fields).map(
    ([key, value]) => ` ${key === "settings" ? settingsText(value) : `${key}=${valueText(value)}`}`,
  );
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${String(component)}: ${String(msg)}${pairs.join("")}\n`;
}

function valueText(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value);
}

/** Of a configuration what was set, and where. */
function settingsText(settings: unknown): string {
  const all = Object.entries(settings as Record<string, { readonly value: string; readonly source: string }>);
  return all.map(([key, { value, source }]) => `${key}=${valueText(value)} (${source})`).join(", ");
}
