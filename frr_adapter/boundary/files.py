"""The few files we read and write: templates at start, `frr.conf` at every apply. Never decides what is in them."""

import contextlib
import os
import stat
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

    The file must stay readable for the daemons, which run under a user of their own. So it is given to the owner of the file that
    it replaces, else of the directory, where this program may do that; where it may not, or where the directory itself is shared
    with a group, as the volumes of a pod are, it is opened to the directory's group, whose members may ask the daemons for the same
    over their sockets. Raises OSError.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            _give(path, file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _give(path: Path, handle: int, mode: int) -> None:
    directory, before = path.parent.stat(), _stat(path)
    me = os.geteuid()
    reader = directory if before is None or before.st_uid == me else before
    if reader.st_uid == me:
        if directory.st_mode & stat.S_IWGRP and directory.st_gid != os.getegid():
            _share(handle, directory.st_gid, mode)
        return
    try:
        os.fchown(handle, reader.st_uid, reader.st_gid)
    except OSError:  # not ours to give away, or (EINVAL) to nobody in our user namespace
        _share(handle, directory.st_gid, mode)


def _share(handle: int, group: int, mode: int) -> None:
    with contextlib.suppress(OSError):  # not our group: then only the superuser can read it
        os.fchown(handle, -1, group)
        os.fchmod(handle, mode | stat.S_IRGRP)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
