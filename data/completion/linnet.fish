# Completion of linnet for fish. The program itself knows what may follow, so models pulled later are known too.
function __linnet_complete
    set -l words (commandline --tokenize --current-process --cut-at-cursor) "$(commandline --current-token --cut-at-cursor)"
    set -l program (string replace --regex '^~/' "$HOME/" -- $words[1])
    set -l found ($program completion --words -- $words[2..-1] 2>/dev/null)
    if set -q found[1]
        string join \n -- $found
    else # files, where the program names nothing
        __fish_complete_path $words[-1]
    end
end
complete --command linnet --no-files --arguments '(__linnet_complete)'
