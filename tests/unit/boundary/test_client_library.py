import json
import subprocess
import sys

from frr_adapter.boundary import client_library

_SHOW = """
import asyncio, json, sys
from pathlib import Path
from frr_adapter.boundary import client_library
library = getattr(client_library, sys.argv[1])()
configuration = library.Configuration()
asyncio.run(library.load_kube_config(config_file=sys.argv[2], client_configuration=configuration, persist_config=False))
plain = {k: repr(v) for k, v in vars(configuration).items() if not k.startswith("logger") and "logger_formatter" not in k}
print(json.dumps({
    "settings": plain,
    "auth": asyncio.run(configuration.auth_settings()),
    "rest": sorted(vars(library.RESTClientObject(configuration))),
    "code": [part.__code__.co_filename for part in (library.Configuration.__init__, library.RESTClientObject.request,
             library.load_kube_config, library.load_incluster_config)],
    "left": sorted(name for name in sys.modules if name.split(".")[0] == "kubernetes"),
    "heavy": sorted({"pydantic", "requests", "websocket", "dateutil"} & set(sys.modules)),
    "kib": int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]),
}))
"""


def _shown(way: str, config) -> dict:
    command = [sys.executable, "-W", "error", "-c", _SHOW, way, str(config)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_the_lean_load_equals_the_ordinary_one_and_leaves_nothing_behind(tmp_path):
    config = tmp_path / "kubeconfig"
    config.write_text(
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1', tls-server-name: api}}]\n"
        "users: [{name: u, user: {token: t}}]\n"
    )
    lean, ordinary = _shown("load", config), _shown("ordinary", config)
    for same in ("settings", "auth", "rest", "code"):
        assert lean[same] == ordinary[same]
    assert lean["auth"]["BearerToken"]["value"] == "Bearer t"
    assert (lean["left"], lean["heavy"]) == ([], [])
    assert "kubernetes.aio.client" in ordinary["left"]
    assert lean["kib"] < ordinary["kib"] - 8 * 1024


def test_after_the_ordinary_import_nothing_is_loaded_twice():
    import kubernetes.aio.client

    assert client_library.load().Configuration is kubernetes.aio.client.Configuration
    assert "kubernetes.aio.client" in sys.modules
