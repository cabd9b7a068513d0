"""Reads the file that lists the interfaces layer 2 ignores. The wiring calls it once at start; a change needs a restart."""

from pathlib import Path

from frr_adapter import errors
from speaker import exclusion


def read(path: Path) -> exclusion.Exclusion:
    """The exclusion in the file; a missing file excludes nothing. Raises SettingsError, one line, for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return exclusion.Exclusion()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{path}: {error}; a readable YAML file is allowed") from None
    return exclusion.parse(text)
