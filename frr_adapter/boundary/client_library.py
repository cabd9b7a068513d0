"""The pieces of the official Kubernetes client that `kube` uses, loaded without the rest of it. Only `kube` calls this.

`import kubernetes.aio` runs six package `__init__` modules that pull in the synchronous client, the dynamic client, leader
election, websockets and pydantic: about 18 MiB resident and half a second that a daemon on every node would pay for
nothing. We use four modules of it: configuration, REST, and the two configuration loaders. They are loaded here below
packages that are empty but have the right search path, so their own code runs unchanged. Afterwards the empty packages are
taken out of `sys.modules` again: whoever imports `kubernetes` later gets the real one.

Whenever that does not work (other layout, or the real package is already loaded) the ordinary import is used; nothing else
changes but memory. Must never patch or copy code of the library.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_ROOT = "kubernetes"
_PACKAGES = ("kubernetes.aio", "kubernetes.aio.client", "kubernetes.aio.config", "kubernetes.aio.utils")


@dataclass(frozen=True, slots=True)
class Library:
    """What `kube` needs: two classes and two loaders, named as in `kubernetes.aio`."""

    Configuration: Any
    RESTClientObject: Any
    load_kube_config: Any
    load_incluster_config: Any


def load() -> Library:
    """The lean load, or the ordinary import where that is impossible. ImportError when the library is not installed."""
    if _ROOT in sys.modules:
        return ordinary()
    try:
        return lean()
    except (ImportError, AttributeError):
        return ordinary()


def ordinary() -> Library:
    """By the ordinary import."""
    client = importlib.import_module("kubernetes.aio.client")
    config = importlib.import_module("kubernetes.aio.config")
    rest = importlib.import_module("kubernetes.aio.client.rest")
    return Library(client.Configuration, rest.RESTClientObject, config.load_kube_config, config.load_incluster_config)


def lean() -> Library:
    """Without the packages' `__init__`. ImportError or AttributeError when the library is laid out differently."""
    with _empty_packages():
        configuration = importlib.import_module("kubernetes.aio.client.configuration").Configuration
        # kube_config imports both names from the package; it needs ApiClient only in functions that we do not use.
        client: Any = sys.modules["kubernetes.aio.client"]
        client.Configuration = configuration
        client.ApiClient = None
        return Library(
            configuration,
            importlib.import_module("kubernetes.aio.client.rest").RESTClientObject,
            importlib.import_module("kubernetes.aio.config.kube_config").load_kube_config,
            importlib.import_module("kubernetes.aio.config.incluster_config").load_incluster_config,
        )


@contextmanager
def _empty_packages() -> Iterator[None]:
    spec = importlib.util.find_spec(_ROOT)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{_ROOT} is not installed")
    search = list(spec.submodule_search_locations)
    try:
        _place(_ROOT, search)
        for name in _PACKAGES:
            below = name.removeprefix(f"{_ROOT}.").replace(".", "/")
            _place(name, [f"{root}/{below}" for root in search])
        yield
    finally:
        for name in [name for name in sys.modules if name == _ROOT or name.startswith(f"{_ROOT}.")]:
            del sys.modules[name]


def _place(name: str, search: list[str]) -> None:
    package = types.ModuleType(name)
    package.__path__ = search
    sys.modules[name] = package
