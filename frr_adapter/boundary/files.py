"""The few files we read and write: templates at start, `frr.conf` at every apply. Never decides what is in them."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
"""Where the templates lie in the source tree and in the image; the programs may be told another place."""


def read_templates(directory: Path = TEMPLATES) -> Mapping[str, str]:
    """Every `*.j2` file of the directory as file name -> text. Raises OSError when there is no such directory."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(directory.iterdir()) if path.suffix == ".j2"}


def write_atomic(path: Path, text: str, mode: int = 0o600) -> None:
    """Replaces the file in one step: a reader sees the old text or the new one, after a crash as well.

    The owner of a file that is replaced stays the owner, since the daemons that read `frr.conf` run under their own user.
    Raises OSError.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            _keep_owner(path, file.fileno())
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _keep_owner(path: Path, handle: int) -> None:
    try:
        before = path.stat()
    except FileNotFoundError:
        return
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(handle, before.st_uid, before.st_gid)
