"""What README.md shows of the command is what it says in a lab like that of `make lab`, but for times and the leader's name."""

import re
import shlex
from pathlib import Path

import pytest

from lab import kube
from tests import command

pytestmark = [pytest.mark.live, pytest.mark.frr]

TEXT = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^```\n\$ frr-adapter (.*)\n((?:.*\n)*?)```$", TEXT, re.MULTILINE))
(FILE,) = re.findall(r"^```yaml\n((?:.*\n)*?)```$", TEXT, re.MULTILINE)
ADVERTISEMENT = kube.path_of("metallb.io/v1beta1", "BGPAdvertisement", "metallb-system", "bgp")


def test_three_answers_are_shown():
    assert [words.split()[0] for words in SHOWN] == ["status", "plan", "explain"]


@pytest.fixture(scope="module")
def lab(lab_factory):
    return lab_factory(3, True, True)


def steady(text):
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    return re.sub(r"leader \S+", "leader NAME", text)


def holds(lab, words, folder, monkeypatch):
    monkeypatch.chdir(folder)
    ran = command.run(*shlex.split(words), "--kubeconfig", str(lab.kubeconfig))
    assert steady(ran.stdout) == steady(SHOWN[words])
    return True


def test_what_is_shown_is_what_is_said(lab, tmp_path, monkeypatch):
    (tmp_path / "peer.yaml").write_text(FILE)
    for words in SHOWN:
        if words.startswith("explain"):
            body = {"spec": {"ipAddressPools": ["typo"]}}
            lab.call("PATCH", ADVERTISEMENT, body, "application/merge-patch+json")
        lab.until(words, lambda said=words: holds(lab, said, tmp_path, monkeypatch), 40)
