/** What shells complete words with: `completion`, and `__complete` which its scripts call. */
import { Argument, type Command } from "commander";
import { SHELLS, type Shell } from "../commands/completion-scripts.ts";
import { type Launch, withTraits } from "./options.ts";

export function buildCompletion(command: Command, launch: Launch): void {
  withTraits(command, { outputs: ["table"] })
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .addHelpText("after", COMPLETION_HELP)
    .action((shell: Shell) =>
      launch(command, async (context) => (await import("../commands/completion.ts")).completion(context, { shell })),
    );
}

/** The words to complete are words of the command line too, so that what they name was built. */
export function buildComplete(command: Command, launch: Launch): void {
  command.argument("[word...]").action((words: string[]) =>
    launch(command, async (context) =>
      (await import("../commands/completion.ts")).answerCompletion(context, {
        program: command.parent ?? command,
        words,
      }),
    ),
  );
}

const COMPLETION_HELP = `
bash        source <(tidemark completion bash)                               in ~/.bashrc
zsh         source <(tidemark completion zsh)                                in ~/.zshrc, below compinit
fish        tidemark completion fish | source                                in ~/.config/fish/config.fish
powershell  tidemark completion powershell | Out-String | Invoke-Expression  in $PROFILE

Names of topics come from the broker, within half a second or not at all; TIDEMARK_COMPLETE_TOPICS=off asks
none, =2s has more patience.
`;
