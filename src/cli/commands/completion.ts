import { basename } from "../../../ffi/path.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";

// The shell's words are read from the line itself: readline's own ones break at `:` and `=`.
const BASH = `_NAME() {
  local line=\${COMP_LINE:0:COMP_POINT} current candidate prefix
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=\${words[-1]}
  COMPREPLY=()
  while IFS= read -r candidate; do
    COMPREPLY+=("\${candidate%%$'\\t'*}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  if [[ $current == *[:=]* ]]; then
    prefix=\${current%"\${current##*[:=]}"}
    COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
  fi
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace
  return 0
}
complete -o default -F _NAME NAME
`;

const ZSH = `#compdef NAME
_NAME() {
  local line
  local -a described
  while IFS= read -r line; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(\${words[1]} __complete "\${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)
  if (( \${#described} )); then
    _describe -V NAME described -S '' -q
  else
    _files
  fi
}
compdef _NAME NAME
`;

const FISH = `function __NAME_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete $words[2..] 2>/dev/null
end
complete -c NAME -a '(__NAME_complete)'
`;

const SCRIPTS: Record<string, string> = { bash: BASH, zsh: ZSH, fish: FISH };

export default defineCommand({
  usage: "bash|zsh|fish",
  flags: {},
  args: { min: 1, max: 1 },
  examples: [
    "berth completion bash > /etc/bash_completion.d/berth",
    "berth completion zsh > /usr/local/share/zsh/site-functions/_berth",
    "berth completion fish > ~/.config/fish/completions/berth.fish",
  ],
  async run(_context, _flags, [shell = ""]) {
    const script = SCRIPTS[shell];
    if (script === undefined) throw new UsageError(`unknown shell ${JSON.stringify(shell)}: expected ${Object.keys(SCRIPTS).join(", ")}`, 1);
    // A link named docker completes as docker.
    process.stdout.write(script.replaceAll("NAME", basename(process.argv0)));
  },
});
