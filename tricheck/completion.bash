# Completion of tricheck for bash. Unlike the usual script it takes the words as they are typed, not as
# bash splits them: model.py::name is one, though bash breaks words at colons.
_tricheck_completion() {
    local line=${COMP_LINE:0:COMP_POINT} words current before reply type value
    IFS=$' \t\n' read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[-1]}
    before=${current%"${current##*:}"} # what bash takes for words of its own
    COMPREPLY=()
    while IFS= read -r reply; do
        type=${reply%%,*} value=${reply#*,}
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <(COMP_WORDS=$line COMP_CWORD=$((${#words[@]} - 1)) _TRICHECK_COMPLETE=bash_complete "$1")
}
complete -o nosort -F _tricheck_completion tricheck
