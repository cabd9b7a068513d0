"""`python -m tests.manifests`: writes the plain manifests from the chart. A test keeps them equal to what the chart renders.

For kubectl and kustomize: the release frr-adapter in metallb-system with the chart's own values, with its Namespace and without
what only Helm understands.
"""

import sys
from pathlib import Path

import yaml

from tests import chart

FOLDER = chart.ROOT / "manifests"
VARIANTS: dict[str, chart.Document] = {
    "frr-adapter": {},
    "frr-adapter-layer2": {"speaker": {"frr": {"enabled": False}}},
}
_SECURITY = "pod-security.kubernetes.io"
_WHO = {
    "frr-adapter": "BGP through FRR, and layer 2",
    "frr-adapter-layer2": "layer 2 only, without FRR",
}
_HEAD = """\
# frr-adapter: {who}. Made from the chart by `make manifests`; do not edit.
#   kubectl apply --server-side -k manifests/{name}
"""
_KUSTOMIZATION = """\
# frr-adapter: {who}. Made by `make manifests`; a kustomization of yours may have this folder among its resources.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- {name}.yaml
"""


def documents(name: str) -> tuple[chart.Document, ...]:
    """The objects of one variant, the Namespace first, then the definitions."""
    labels = {f"{_SECURITY}/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": chart.NAMESPACE, "labels": labels}}
    rendered = sorted(chart.rendered(VARIANTS[name]), key=lambda each: each["kind"] != "CustomResourceDefinition")
    return (namespace, *(_plain(each) for each in rendered))


def files() -> dict[Path, str]:
    """Every file with its text."""
    found = {}
    for name in VARIANTS:
        words = {"name": name, "who": _WHO[name]}
        texts = (yaml.safe_dump(each, sort_keys=False, width=120) for each in documents(name))
        found[FOLDER / name / f"{name}.yaml"] = _HEAD.format(**words) + "".join(f"---\n{text}" for text in texts)
        found[FOLDER / name / "kustomization.yaml"] = _KUSTOMIZATION.format(**words)
    return found


def _plain(document: chart.Document) -> chart.Document:
    """Without Helm's own labels and annotations."""
    labels = ("helm.sh/chart", "app.kubernetes.io/managed-by")
    meta = dict(document["metadata"])
    if "labels" in meta:
        meta["labels"] = {key: value for key, value in meta["labels"].items() if key not in labels}
    kept = {key: value for key, value in meta.pop("annotations", {}).items() if not key.startswith("helm.sh/")}
    return {**document, "metadata": {**meta, **({"annotations": kept} if kept else {})}}


def main() -> int:
    """Writes them."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(chart.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
