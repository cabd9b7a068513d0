"""Files are replaced in one step and keep their mode."""

import os

import pytest

from frr_adapter.boundary import files


def test_a_written_file_has_the_text_and_the_mode(tmp_path):
    path = tmp_path / "frr.conf"
    files.write_atomic(path, "one\n")
    files.write_atomic(path, "zwei ö\n")
    assert path.read_text() == "zwei ö\n"
    assert path.stat().st_mode & 0o777 == 0o600
    files.write_atomic(path, "three\n", mode=0o640)
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "frr.conf"
    files.write_atomic(path, "one\n")
    with pytest.raises(UnicodeEncodeError):
        files.write_atomic(path, "\udcff")
    assert path.read_text() == "one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_shared_with_a_group_gives_it_the_file_each_time(tmp_path):
    try:
        os.chown(tmp_path, -1, 102)
    except OSError:
        pytest.skip("needs the superuser, to give a directory to a group")
    path = tmp_path / "frr.conf"
    for mode, wanted in ((0o2777, 0o640), (0o2777, 0o640), (0o755, 0o600)):
        tmp_path.chmod(mode)
        files.write_atomic(path, "one\n")
        assert path.stat().st_mode & 0o777 == wanted
        assert (path.stat().st_gid == 102) == bool(mode & 0o2000)


def test_templates_are_read_by_name(tmp_path):
    (tmp_path / "a.j2").write_text("A")
    (tmp_path / "notes.txt").write_text("no")
    assert files.read_templates(tmp_path) == {"a.j2": "A"}
    assert "frr.conf.j2" in files.read_templates()
