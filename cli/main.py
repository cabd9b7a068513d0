"""The operator's command: finds the subcommand by name, loads it alone, and turns how it ends into one line and an exit status.

`--help`, `--version` and unknown names are answered here, without loading anything. A mistake of ours ends in a traceback as usual.
"""

import os
import sys

import frr_adapter
from cli import catalog
from cli.errors import Exit, NoAnswerError

_INTERRUPTED = 130
_BROKEN_PIPE = 141
"""As a shell says it of a program that a signal ended."""


def main(arguments: list[str] | None = None, program: str = "frr-adapter") -> int:
    """Runs one command line (without the program's name); the exit status as in `cli.errors.Exit`."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        status = _main(words, program)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has seen enough. The interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _BROKEN_PIPE
    return status


def plugin() -> int:
    """`kubectl frr`: kubectl starts `kubectl-frr` for that."""
    return main(program="kubectl frr")


def plugin_words() -> int:
    """`kubectl_complete-frr`: kubectl starts it to complete `kubectl frr ...`."""
    return main(["__complete", *sys.argv[1:]], program="kubectl frr")


def _main(words: list[str], program: str) -> int:
    name = words[0] if words else ""
    if name in ("", "-h", "--help", "help") and len(words) <= 1:
        print(catalog.overview(program), end="")
        return Exit.OK if words else Exit.USAGE
    if name == "help":
        return _main([words[1], "--help"], program)
    if name == "--version":
        print(f"frr-adapter {frr_adapter.__version__}")
        return Exit.OK
    if name == "__complete":
        from cli import completing

        print(completing.answer(words[1:]), end="")
        return Exit.OK
    if name not in catalog.SUMMARIES:
        return _unknown(name, program)
    return _run(name, words[1:], program)


def _unknown(name: str, program: str) -> int:
    import difflib

    is_option = name.startswith("-")
    what, known = ("option", ("--help", "--version")) if is_option else ("command", tuple(catalog.SUMMARIES))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f" did you mean {near[0]}?" if near else ""
    print(f'{program}: "{name}" is no {what};{meant or f" {program} --help lists them"}', file=sys.stderr)
    return Exit.USAGE


def _run(name: str, words: list[str], program: str) -> int:
    import typer

    from cli import loading

    command = loading.load(name)
    try:
        answered = command.main(words, prog_name=f"{program} {name}", standalone_mode=False)
    except NoAnswerError as error:
        from cli.view import output

        print(output.legible(f"{program}: {name}: {error}"), file=sys.stderr)
        return Exit.NO_ANSWER
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer's own way to end then
            return _BROKEN_PIPE
        raise
    except typer.Abort:
        return _INTERRUPTED
    except typer.TyperException as error:
        print(f"{program}: {name}: {_one_line(error)} (see {program} {name} --help)", file=sys.stderr)
        return Exit.USAGE
    return answered if isinstance(answered, int) else Exit.OK


def _one_line(error: Exception) -> str:
    told = getattr(error, "format_message", error.__str__)()
    text = " ".join(str(told).split())
    return text[:1].lower() + text[1:].removesuffix(".")
