"""Files are whole or not there, whatever happens while they are written."""

import pytest

from UncertainRegLib.results.atomic import replace, replace_picture, replace_text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("full"), OSError("encoder")])
def test_the_old_one_stays_and_no_draft(tmp_path, error):
    file = tmp_path / "x.txt"
    replace_text(file, "old")

    def half(draft):
        draft.write_text("ha", "utf-8")
        raise error

    with pytest.raises(type(error)) as found:
        replace(file, half)
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    assert file.read_text("utf-8") == "old"
    if isinstance(error, OSError):
        assert str(found.value) == f"{file}: cannot be written (encoder)."


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(OSError, match="gone"):
        replace(tmp_path / "x.txt", lambda draft: (tmp_path / "gone").read_text("utf-8"))


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there.txt").write_text("old", "utf-8")
    (tmp_path / "link.txt").symlink_to(tmp_path / "there.txt")
    replace_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "there.txt").read_text("utf-8") == "new"


def test_a_picture_has_the_format_of_its_ending(tmp_path):
    image = pytest.importorskip("PIL.Image").new("RGB", (3, 4))
    for name, start in (("a.png", b"\x89PNG"), ("b.jpg", b"\xff\xd8"), ("c.GIF", b"GIF8")):
        replace_picture(tmp_path / name, image)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(ValueError, match=r"page\.svg: its ending names no format"):
        replace_picture(tmp_path / "page.svg", image)


def test_below_a_file_nothing_can_be_written(tmp_path):
    replace_text(tmp_path / "file", "")
    with pytest.raises(OSError, match="Not a directory"):
        replace_text(tmp_path / "file" / "x.txt", "new")
