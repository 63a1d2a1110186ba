/** What each shell reads to complete `tidemark`. They hold no commands: at every Tab they ask the executable itself. */
export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
export type Shell = (typeof SHELLS)[number];

const BASH = `# tidemark completion for bash: put  source <(tidemark completion bash)  into ~/.bashrc
_tidemark() {
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}") line value head=""
  # Readline splits words at = and : and puts them back itself, so what stands before them is taken off again.
  if [[ "$COMP_LINE" == *[=:]* ]]; then
    local text="\${COMP_LINE:0:COMP_POINT}"
    read -r -a words <<< "$text"
    words=("\${words[@]:1}")
    [[ "$text" == *" " ]] && words+=("")
    local last="\${words[\${#words[@]}-1]}"
    [[ "$last" == *[=:]* ]] && head="\${last%"\${last##*[=:]}"}"
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    value="\${line%%$'\\t'*}"
    COMPREPLY+=("\${value#"$head"}")
  done < <(tidemark __complete -- "\${words[@]}" 2>/dev/null)
  case "\${COMPREPLY[0]-}" in
    */ | *=) [[ \${#COMPREPLY[@]} -eq 1 ]] && compopt -o nospace ;;
  esac
}
complete -F _tidemark tidemark
`;

const ZSH = `#compdef tidemark
# tidemark completion for zsh: put  source <(tidemark completion zsh)  into ~/.zshrc, below compinit
_tidemark() {
  local line value
  local -a candidates
  while IFS= read -r line; do
    value="\${line%%$'\\t'*}"
    if [[ "$line" == *$'\\t'* ]]; then
      candidates+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
    else
      candidates+=("\${value//:/\\\\:}")
    fi
  done < <(tidemark __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe tidemark candidates
}
compdef _tidemark tidemark
`;

const FISH = `# tidemark completion for fish: put  tidemark completion fish | source  into ~/.config/fish/config.fish
function __tidemark_complete
  set -l words (commandline -opc) (commandline -ct)
  tidemark __complete -- $words[2..-1] 2>/dev/null
end
complete -c tidemark -f -a '(__tidemark_complete)'
`;

const POWERSHELL = `# tidemark completion for PowerShell: put  tidemark completion powershell | Out-String | Invoke-Expression  into $PROFILE
Register-ArgumentCompleter -Native -CommandName tidemark -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($wordToComplete -eq '') { $words += '""' }
  tidemark __complete -- @words 2>$null | ForEach-Object {
    $value, $doc = $_ -split "\`t", 2
    if (-not $doc) { $doc = $value }
    [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $doc)
  }
}
`;

export const SHELL_SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
};
