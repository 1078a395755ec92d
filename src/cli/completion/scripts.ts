/**
 * What `kuke completion SHELL` prints. Each asks `kuke __complete WORDS...` for the words that may stand in the last one's place: a line
 * each, with what it is behind a tab, and at the end a line that says what else the shell is to do: `:nospace`, `:files`, `:folders`, `:done`.
 */

// Bash splits words at = and :, and replaces only what stands behind the last of them.
const bash = `# bash completion for kuke. Now: source <(kuke completion bash)
# From the next login on: kuke completion bash > /etc/bash_completion.d/kuke
_kuke() {
  local text=\${COMP_LINE:0:COMP_POINT} program line directive=:done prefix= current
  local -a words lines
  read -ra words <<< "$text"
  [[ $text == *[[:space:]] ]] && words+=('')
  program=\${words[0]}
  type -P -- "$program" > /dev/null || program=kuke
  current=\${words[\${#words[@]}-1]}
  [[ $current == *[=:]* ]] && prefix=\${current%"\${current##*[=:]}"}
  COMPREPLY=()
  mapfile -t lines < <("$program" __complete "\${words[@]:1}" 2> /dev/null)
  for line in "\${lines[@]}"; do
    if [[ $line == :* ]]; then directive=$line; continue; fi
    line=\${line%%$'\\t'*}
    COMPREPLY+=("\${line#"$prefix"}")
  done
  case $directive in
    :nospace) compopt -o nospace 2> /dev/null ;;
    :files) compopt -o default 2> /dev/null ;;
    :folders) compopt -o dirnames 2> /dev/null ;;
  esac
  return 0
}
complete -F _kuke kuke
`;

const zsh = `#compdef kuke
# zsh completion for kuke. Now: source <(kuke completion zsh)
# From the next login on: kuke completion zsh > /usr/local/share/zsh/site-functions/_kuke
_kuke() {
  local line value directive=:done program=\${(Q)words[1]}
  local -a lines candidates
  (( \${+commands[$program]} )) || [[ -x $program ]] || program=kuke
  lines=("\${(@f)$("$program" __complete "\${(@Q)words[2,CURRENT]}" 2> /dev/null)}")
  for line in "\${lines[@]}"; do
    case $line in
      '') ;;
      :*) directive=$line ;;
      *)
        value=\${line%%$'\\t'*}
        candidates+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
        ;;
    esac
  done
  case $directive in
    :nospace) _describe -t kuke kuke candidates -S '' ;;
    :files) _files ;;
    :folders) _files -/ ;;
    *) _describe -t kuke kuke candidates ;;
  esac
}
if [[ $funcstack[1] == _kuke ]]; then _kuke "$@"; else compdef _kuke kuke; fi
`;

const fish = `# fish completion for kuke. Now: kuke completion fish | source
# From the next login on: kuke completion fish > ~/.config/fish/completions/kuke.fish
function __kuke_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l program $words[1]
  command -q $program; or set program kuke
  set -e words[1]
  set -l directive :done
  for line in (command $program __complete $words "$current" 2> /dev/null)
    if string match -q ':*' -- $line
      set directive $line
    else
      printf '%s\\n' $line
    end
  end
  switch $directive
    case :files
      __fish_complete_path "$current"
    case :folders
      __fish_complete_directories "$current"
  end
end
complete -c kuke -f -a '(__kuke_complete)'
`;

export const SHELLS: Readonly<Record<string, string>> = { bash, zsh, fish };
