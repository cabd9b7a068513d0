"""`python -m cli` is the same as the installed `frr-adapter`."""

from cli.main import app

if __name__ == "__main__":
    app(prog_name="frr-adapter")
