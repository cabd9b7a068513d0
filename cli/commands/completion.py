"""`frr-adapter completion`: the script that makes a shell ask `frr-adapter __complete` what may follow."""

import enum
from types import MappingProxyType
from typing import Annotated

import typer

EPILOG = """Examples:
  source <(frr-adapter completion bash)
  frr-adapter completion zsh > "${fpath[1]}/_frr-adapter"
  frr-adapter completion fish > ~/.config/fish/completions/frr-adapter.fish

`kubectl frr` completes by itself where kubectl does: kubectl asks kubectl_complete-frr, which is installed beside this.
"""


class Shell(enum.StrEnum):
    """Shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_BASH = r"""_frr_adapter() {
    local line directive=4 words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :*) directive=${line#:} ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <(frr-adapter __complete "${words[@]}" 2>/dev/null)
    if [[ $directive == 0 && ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o default 2>/dev/null
    fi
    return 0
}
complete -F _frr_adapter frr-adapter
"""

_ZSH = r"""#compdef frr-adapter
_frr_adapter() {
    local line directive=4
    local -a found
    while IFS= read -r line; do
        case $line in
            :*) directive=${line#:} ;;
            *$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
            *) found+=("${line//:/\\:}") ;;
        esac
    done < <(frr-adapter __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe frr-adapter found
    elif [[ $directive == 0 ]]; then
        _files
    fi
}
if [[ $funcstack[1] == _frr-adapter ]]; then
    _frr_adapter "$@"
else
    compdef _frr_adapter frr-adapter
fi
"""

_FISH = r"""function __frr_adapter_complete
    set -l words (commandline -opc) (commandline -ct)
    frr-adapter __complete $words[2..-1] 2>/dev/null | string match --invert --regex '^:'
end
complete --command frr-adapter --arguments '(__frr_adapter_complete)'
"""

SCRIPTS = MappingProxyType({Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH})


def command(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print the completion script of a shell."""
    typer.echo(SCRIPTS[shell], nl=False)
