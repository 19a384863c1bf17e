#compdef linnet
# Completion of linnet for zsh. The program itself knows what may follow, so models pulled later are known too.
_linnet() {
  local -a found
  found=("${(@f)$(${~words[1]} completion --words -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  found=(${found:#})
  # Where the program names nothing, files are completed.
  if (( $#found )); then
    compadd -a found
  else
    _files
  fi
}
# Found in $fpath, this file is the function's body; sourced, it only declares the function.
if [[ $funcstack[1] == _linnet ]]; then
  _linnet "$@"
else
  compdef _linnet linnet
fi
