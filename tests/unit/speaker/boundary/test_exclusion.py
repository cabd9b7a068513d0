import pytest

from frr_adapter import errors
from speaker import exclusion as values
from speaker.boundary import exclusion


def test_a_missing_file_excludes_nothing(tmp_path):
    assert exclusion.read(tmp_path / "none") == values.Exclusion()


def test_the_file_is_read(tmp_path):
    (tmp_path / "excludel2.yaml").write_text('announcedInterfacesToExclude: ["^lo$"]\n', encoding="utf-8")
    assert exclusion.read(tmp_path / "excludel2.yaml") == values.Exclusion(("^lo$",))


def test_a_directory_or_binary_is_refused_in_one_line(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "binary"):
        with pytest.raises(errors.SettingsError, match="a readable YAML file is allowed"):
            exclusion.read(path)
