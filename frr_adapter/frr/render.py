"""`FrrConfig` -> the text of `frr.conf`, through Jinja templates that are handed in as name -> source.

Called by the applier and by everything that shows the file to people. Pure: opens no file. The templates print what the value says;
a missing field is an error, never an empty word.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jinja2

from frr_adapter import errors
from frr_adapter.frr import config as frr_config

MAIN = "frr.conf.j2"


def render(config: frr_config.FrrConfig, templates: Mapping[str, str]) -> str:
    """The file as text, ending with a newline.

    Raises `errors.ApplyError` when a value holds a control character: FRR reads one statement per line, and a line break
    inside a name or password would smuggle in another one.
    """
    return _template(tuple(sorted(templates.items()))).render(config=config)


@functools.lru_cache(maxsize=4)
def _template(sources: tuple[tuple[str, str], ...]) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(dict(sources)),
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  the output is read by FRR, not by a browser; _printable guards it
    )
    return environment.get_template(MAIN)


def _printable(value: Any) -> Any:
    if value is None:
        raise errors.ApplyError("a template prints a field that is not set")
    if any(ord(character) < 0x20 and character != "\t" for character in str(value)):
        raise errors.ApplyError(
            "a value of the configuration holds a control character (value hidden); one line of text is allowed"
        )
    return value
