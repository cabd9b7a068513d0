"""The JSON schemas of all documents, made from their types. Printed by `frr-adapter schema`, published in docs/schemas."""

import importlib
import json
import pkgutil
from typing import Any

import msgspec

from cli import documents

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def names() -> tuple[str, ...]:
    """The commands that have a document, sorted."""
    found = (each.name for each in pkgutil.iter_modules(documents.__path__))
    return tuple(sorted(_command(name) for name in found if name != "schemas"))


def document(name: str) -> type[msgspec.Struct]:
    """The type of what that command prints. KeyError when it has none."""
    stem = next((stem for stem in (name.replace("-", "_"), f"{name}_") if name in names() and _exists(stem)), None)
    if stem is None:
        raise KeyError(name)
    module = importlib.import_module(f"{documents.__name__}.{stem}")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    (found,) = (kind for kind in kinds if kind.__name__.endswith("Document") and kind.__module__ == module.__name__)
    return found


def schema(name: str) -> dict[str, Any]:
    """The schema of that command's document. KeyError when it has none."""
    kind = document(name)
    made = msgspec.json.schema(kind)
    return {"$schema": _DIALECT, "title": f"What frr-adapter {name} prints with -o json", **made}


def text(name: str) -> str:
    """The schema as the published file."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def _command(stem: str) -> str:
    return stem.removesuffix("_").replace("_", "-")


def _exists(stem: str) -> bool:
    return any(each.name == stem for each in pkgutil.iter_modules(documents.__path__))
