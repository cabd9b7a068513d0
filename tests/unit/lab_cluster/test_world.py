import os

import pytest

from lab import world
from lab.errors import LabError
from lab.places import Places, Recorded


@pytest.fixture
def places(tmp_path):
    # Root's labs must be reachable for FRR's own user; pytest keeps its directories private.
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == tmp_path.owner() and "pytest" in str(parent):
            parent.chmod(0o755)
    return Places(tmp_path / "state")


def test_a_directory_with_other_files_is_left_alone(places):
    for name in ("lock", "logs", "precious"):
        (places.state / name).mkdir(parents=True)
    with pytest.raises(LabError, match=r"holds other files \(precious\): give an empty directory"), world.lock(places):
        pass
    assert (places.state / "precious").exists()


def test_two_commands_at_once_are_refused(places):
    with world.lock(places):
        with pytest.raises(LabError, match="another lab command is at work in"), world.lock(places):
            pass
        assert places.lock_file.exists()
    with world.lock(places):
        pass


def test_ending_what_a_crash_left_removes_it(places):
    with world.lock(places):
        places.logs.mkdir()
        places.record(Recorded(name="lab", nodes=1, pid=2**22 + 1, started=1, root=True, frr="8.4", api="embedded"))
        assert world.end(places)
    assert not places.state.exists()


def test_a_process_is_told_from_a_later_one_with_its_number(places):
    started = world.start_time(os.getpid())
    assert started is not None
    recorded = Recorded(name="lab", nodes=1, pid=os.getpid(), started=started, root=True, frr="8.4", api="embedded")
    assert world.is_alive(recorded)
    other = Recorded(name="lab", nodes=1, pid=os.getpid(), started=started + 1, root=True, frr="8.4", api="embedded")
    assert not world.is_alive(other)
    assert not world.is_alive(None)


def test_a_torn_record_is_no_record(places):
    places.state.mkdir()
    places.record_file.write_text('{"name": "lab", "nod')
    assert places.recorded() is None
    with pytest.raises(LabError, match=r"no lab runs in .*: start one with `lab up`"):
        world.running(places)
