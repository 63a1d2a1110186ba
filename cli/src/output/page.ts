/**
 * A page that is drawn anew on a screen of its own: keys end it, Ctrl-Z puts it aside until `fg`, and however it ends the
 * terminal is as it was before.
 */
import type { CommandContext } from "../command-context.ts";
import { onPageKeys } from "./page-keys.ts";

const ENTER_SCREEN = "\u001b[?1049h\u001b[?25l";
const LEAVE_SCREEN = "\u001b[?25h\u001b[?1049l";
const HOME_AND_CLEAR = "\u001b[H\u001b[J";

export class Page {
  readonly #context: CommandContext;
  readonly #quit: () => void;
  #release: () => void = () => undefined;
  #render: ((columns: number) => string) | null = null;
  // Also when a second signal ends the process where it stands.
  readonly #onExit = (): void => this.#restore();
  readonly #onSuspend = (): void => this.#suspend();

  constructor(context: CommandContext, quit: () => void) {
    this.#context = context;
    this.#quit = quit;
    process.once("exit", this.#onExit);
    process.on("SIGTSTP", this.#onSuspend);
    this.#enter();
  }

  /** As much of it as there is room for; it is kept, to be drawn again. */
  draw(render: (columns: number) => string): void {
    this.#render = render;
    const size = this.#context.stdout as { readonly columns?: number; readonly rows?: number };
    // Some say 0 where they do not know.
    const [columns, rows] = [size.columns || 80, size.rows || 24];
    const lines = render(columns).trimEnd().split("\n");
    this.#context.stdout.write(HOME_AND_CLEAR + lines.slice(0, Math.max(rows - 1, 1)).join("\n"));
  }

  leave(): void {
    process.removeListener("exit", this.#onExit);
    process.removeListener("SIGTSTP", this.#onSuspend);
    this.#restore();
  }

  #enter(): void {
    const { stdin, stdout } = this.#context;
    this.#release = onPageKeys(stdin, {
      quit: this.#quit,
      interrupt: () => process.kill(process.pid, "SIGINT"),
      // As the terminal does: to npm too, which waits for us.
      suspend: () => process.kill(0, "SIGTSTP"),
    });
    stdout.write(ENTER_SCREEN);
  }

  #restore(): void {
    this.#release();
    this.#context.stdout.write(LEAVE_SCREEN);
  }

  #suspend(): void {
    this.#restore();
    process.once("SIGCONT", () => {
      this.#enter();
      if (this.#render !== null) this.draw(this.#render);
    });
    // SIGTSTP is ours by now; this one nobody can take.
    process.kill(process.pid, "SIGSTOP");
  }
}
