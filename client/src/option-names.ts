/** Which options there are: a misspelt one would be passed over, and its default taken. The compiler tells users of TypeScript; this tells the others. */
import { unknownName } from "@tidemark/proto";
import { invalidArgument } from "./errors.ts";

/** Every name of T, so that none can be left out. */
export type NamesOf<T> = Readonly<Record<keyof T, true>>;

/**
 * @param place where in the options this is, with a dot: "timeouts."
 * @throws BrokerError INVALID_ARGUMENT naming the option that there is not; one that is undefined is not there
 */
export function assertOptions<T extends object>(options: T, names: NamesOf<T>, place = ""): void {
  if (typeof options !== "object" || options === null)
    throw invalidArgument(
      `${place === "" ? "options" : place.slice(0, -1)} must be an object, and is ${String(options)}`,
    );
  const unknown = unknownName(options, Object.keys(names));
  if (unknown !== null) throw invalidArgument(`there is no option ${place}${unknown.name}; ${unknown.hint}`);
}
