# shellcheck shell=bash
# Completion of linnet for bash. The program itself knows what may follow, so models pulled later are known too.
_linnet() {
  local line=${COMP_LINE:0:COMP_POINT} words current colons i
  # bash cuts words at colons, which stand in the names of models: cut at blanks instead.
  read -r -a words <<<"$line"
  [[ $line == *[[:blank:]] ]] && words+=('')
  current=${words[-1]}
  mapfile -t COMPREPLY < <("${1/#\~/$HOME}" completion --words -- "${words[@]:1}" 2>/dev/null)
  # What stands before the last colon is on the line already, and not part of the word that bash replaces.
  if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
    colons=${current%:*}:
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$colons"}; done
  fi
}
# Where the program names nothing, files are completed.
complete -o bashdefault -o default -F _linnet linnet
