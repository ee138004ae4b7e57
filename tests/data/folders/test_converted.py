"""Photographs in HEIC, AVIF and TIFF become JPEG files, through the command that messages name."""

import os
import shlex
import types
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from odd_exif import odd_exif
from PIL import Image, ImageOps

from keras_cabvit.cli import main
from keras_cabvit.commands import progress
from keras_cabvit.data.folders.image_folder import images_of_folder, read_image_folder

pillow_heif.register_heif_opener()
# Smooth, so that lossy formats keep it: red grows downwards, green to the right.
ROWS, COLUMNS = np.mgrid[:48, :80]
PIXELS = np.stack([4 * ROWS, 3 * COLUMNS, 0 * ROWS], axis=-1).astype(np.uint8)
PHOTO = Image.fromarray(PIXELS)
ORIENTATION, DATE = 0x0112, 0x0132


def exif(orientation=1):
    data = Image.Exif()
    data[ORIENTATION], data[DATE] = orientation, "2024:05:06 07:08:09"
    return data.tobytes()


def save(image, path, form, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, form, **options)
    return path


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "JPEG"
        return np.asarray(ImageOps.exif_transpose(image)).astype(int)


@pytest.fixture
def photographs(tmp_path):
    """A folder as it comes from phones and a scanner."""
    root = tmp_path / "photos"
    save(PHOTO, root / "cat" / "IMG_1.HEIC", "HEIF", quality=90, exif=exif())
    save(PHOTO, root / "cat" / "turned.heif", "HEIF", quality=90, exif=exif(6))
    save(PHOTO, root / "cat" / "IMG_2.HEIC", "HEIF", quality=90)
    save(PHOTO, root / "cat" / "IMG_2.jpg", "JPEG")
    save(PHOTO, root / "dog" / "scan.TIF", "TIFF")
    save(PHOTO, root / "dog" / "new.avif", "AVIF", quality=90)
    save(PHOTO, root / "dog" / "renamed.jpg", "HEIF", quality=90)
    save(PHOTO, root / "dog" / "from_a_page.jpg", "AVIF", quality=90)
    (root / "dog" / "notes.txt").write_text("none")
    return root


def test_every_photograph_becomes_a_jpeg_file_in_its_folder(photographs, tmp_path, capsys):
    out = tmp_path / "jpeg"
    assert main(["convert-images", str(photographs), str(out)]) == 0

    files = {str(path.relative_to(out)) for path in out.rglob("*.*")}
    cats = {f"cat/{name}.jpg" for name in ("IMG_1", "turned", "IMG_2.HEIC", "IMG_2")}
    assert files == cats | {f"dog/{name}.jpg" for name in ("scan", "new", "renamed", "from_a_page")}
    assert "7 converted to JPEG, 1 copied as they are, 0 there already" in capsys.readouterr().out
    for file in files - {"cat/turned.jpg"}:
        assert np.abs(pixels(out / file) - PIXELS).mean() < 3, file
    assert (out / "cat/IMG_2.jpg").read_bytes() == (photographs / "cat/IMG_2.jpg").read_bytes()
    assert read_image_folder(out).left_out == ()


def test_converted_photographs_are_the_right_way_up_and_keep_their_date(photographs, tmp_path):
    main(["convert-images", str(photographs), str(tmp_path / "jpeg")])

    with Image.open(photographs / "cat/turned.heif") as image:
        expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert expected.shape == (80, 48, 3)
    found = tmp_path / "jpeg/cat/turned.jpg"
    assert np.abs(pixels(found) - expected).mean() < 3
    with Image.open(found) as image:
        assert image.getexif().get(ORIENTATION, 1) == 1
        assert image.getexif()[DATE] == "2024:05:06 07:08:09"


def test_a_second_call_writes_only_what_is_missing_or_changed(photographs, tmp_path, capsys):
    out = tmp_path / "jpeg"
    main(["convert-images", str(photographs), str(out)])
    (out / "dog/scan.jpg").unlink()
    kept = (out / "dog/new.jpg").stat().st_ino
    save(ImageOps.invert(PHOTO), photographs / "cat/IMG_1.HEIC", "HEIF", quality=90)
    capsys.readouterr()
    assert main(["convert-images", str(photographs), str(out)]) == 0

    assert "2 converted to JPEG, 0 copied as they are, 6 there" in capsys.readouterr().out
    assert (out / "dog/new.jpg").stat().st_ino == kept
    assert np.abs(pixels(out / "cat/IMG_1.jpg") + PIXELS - 255).mean() < 3


def test_source_replaced_by_an_older_file_is_converted_again_and_edited_copies_are_kept(
    photographs, tmp_path
):
    out = tmp_path / "jpeg"
    main(["convert-images", str(photographs), str(out)])
    for name in ("cat/IMG_1.HEIC", "cat/IMG_2.jpg"):
        file = photographs / name
        save(ImageOps.invert(PHOTO), file, "HEIF" if name.endswith("C") else "JPEG", quality=90)
        os.utime(file, (1e9, 1e9))
    save(Image.new("RGB", (9, 9)), out / "dog/scan.jpg", "JPEG")
    assert main(["convert-images", str(photographs), str(out)]) == 0

    for name in ("cat/IMG_1.jpg", "cat/IMG_2.jpg"):
        assert np.abs(pixels(out / name) + PIXELS - 255).mean() < 3, name
    assert pixels(out / "dog/scan.jpg").shape == (9, 9, 3)


def test_a_broken_photograph_is_named_and_the_others_are_converted(photographs, tmp_path, capsys):
    broken = photographs / "cat/IMG_1.HEIC"
    broken.write_bytes(broken.read_bytes()[:200])
    deep = Image.fromarray(np.zeros((4, 4), np.int32))
    save(deep, photographs / "dog/deep.tiff", "TIFF")
    assert main(["convert-images", str(photographs), str(tmp_path / "jpeg")]) == 1

    errors = capsys.readouterr().err
    assert f"{broken} cannot be converted" in errors
    assert "deep.tiff cannot be converted: pixels of more than 8 bits" in errors
    assert not (tmp_path / "jpeg/cat/IMG_1.jpg").exists()
    assert (tmp_path / "jpeg/dog/new.jpg").exists()


def test_progress_is_printed(photographs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_IN_LOG", 0)
    assert main(["convert-images", str(photographs), str(tmp_path / "jpeg")]) == 0

    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" files")[0] for line in lines] == [f"{done} of 8" for done in range(1, 9)]


def test_no_copy_takes_the_name_of_another(tmp_path):
    root, out = tmp_path / "photos", tmp_path / "jpeg"
    negative = ImageOps.invert(PHOTO)
    save(PHOTO, root / "a.jpg", "JPEG")
    save(negative, root / "a.tif", "TIFF")
    save(PHOTO, root / "A.tif.JPG", "JPEG")
    assert main(["convert-images", str(root), str(out)]) == 0

    assert (out / "A.tif.JPG").read_bytes() == (root / "A.tif.JPG").read_bytes()
    assert np.abs(pixels(out / "a.tif.jpg.jpg") + PIXELS - 255).mean() < 3
    assert sum(1 for _ in out.iterdir()) == 3


def test_an_image_that_cannot_be_copied_is_named_too(photographs, tmp_path, monkeypatch, capsys):
    unreadable, read = photographs / "cat/IMG_2.jpg", Path.read_bytes

    def read_bytes(path):
        if path == unreadable:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert main(["convert-images", str(photographs), str(tmp_path / "jpeg")]) == 1

    assert f"{unreadable} cannot be converted: " in capsys.readouterr().err
    assert not (tmp_path / "jpeg/cat/IMG_2.jpg").exists()
    assert (tmp_path / "jpeg/dog/new.jpg").exists()


@pytest.mark.parametrize("out", ["photos", "photos/jpeg", "."])
def test_copies_inside_the_folder_are_refused(photographs, tmp_path, out, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert main(["convert-images", str(photographs), str(tmp_path / out)]) == 1
    assert "must lie outside" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_missing_package_gives_the_install_command(photographs, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    assert main(["convert-images", str(photographs), str(tmp_path / "jpeg")]) == 1
    assert 'pip install "keras-cabvit[heic]"' in capsys.readouterr().err
    assert not (tmp_path / "jpeg").exists()


def test_readers_name_a_command_after_which_they_read_the_folder(tmp_path):
    root = tmp_path / "my photos"
    for name in ("cat", "dog"):
        save(PHOTO, root / name / "1.heic", "HEIF")
    with pytest.raises(ValueError, match="2 photographs are in a format that is not read") as error:
        images_of_folder(root, ("test",))
    command = shlex.split(str(error.value)[str(error.value).index("cabvit ") :])
    assert main(command[1:]) == 0

    assert images_of_folder(command[-1], ("test",)).classes == ("cat", "dog")


@pytest.mark.parametrize(("folder", "name"), [(".", "photos"), ("cat/..", "photos")])
def test_recommended_folder_lies_outside(photographs, monkeypatch, folder, name, capsys):
    monkeypatch.chdir(photographs)
    assert main(["convert-images", folder, "jpeg"]) == 1
    assert f"Choose {photographs.parent / f'{name}-jpeg'}, for example." in capsys.readouterr().err


@pytest.mark.parametrize("fat", [False, True])
def test_copies_with_the_times_of_a_coarse_file_system_are_there(
    photographs, tmp_path, monkeypatch, fat, capsys
):
    out = tmp_path / "jpeg"
    main(["convert-images", str(photographs), str(out)])
    for copy in (path for path in out.rglob("*") if path.is_file()):
        times = copy.stat()
        even = times.st_mtime_ns - times.st_mtime_ns % (2 * 10**9)  # as FAT stores it
        os.utime(copy, ns=(times.st_atime_ns, even))
    stat, changed = os.stat, {os.fspath(path) for path in out.rglob("*")}

    def stat_of_fat(path, **options):
        found = stat(path, **options)
        if os.fspath(path) not in changed:
            return found
        names = ("st_mode", "st_size", "st_mtime_ns")
        values = {name: getattr(found, name) for name in names}
        return types.SimpleNamespace(**values, st_ctime_ns=found.st_mtime_ns)

    if fat:
        monkeypatch.setattr(os, "stat", stat_of_fat)
    capsys.readouterr()
    assert main(["convert-images", str(photographs), str(out)]) == 0
    assert "0 converted to JPEG, 0 copied as they are, 8 there" in capsys.readouterr().out


def test_a_side_that_jpeg_cannot_hold_is_named_and_the_others_are_converted(
    photographs, tmp_path, capsys
):
    save(Image.new("RGB", (65_501, 1)), photographs / "dog/line.tif", "TIFF")
    assert main(["convert-images", str(photographs), str(tmp_path / "jpeg")]) == 1

    errors = capsys.readouterr().err
    assert "line.tif cannot be converted: more than 65,500 pixels a side" in errors
    assert (tmp_path / "jpeg/dog/new.jpg").exists()


def test_photograph_whose_metadata_cannot_be_written_is_converted_upright(tmp_path):
    path = tmp_path / "photos" / "a.heic"
    save(PHOTO, path, "HEIF", quality=90, exif=odd_exif(6))
    assert main(["convert-images", str(path.parent), str(tmp_path / "jpeg")]) == 0

    expected = np.rot90(PIXELS, -1)
    assert np.abs(pixels(tmp_path / "jpeg" / "a.jpg") - expected).mean() < 4


def test_names_that_begin_like_a_home_folder_are_written_in_the_folder(
    photographs, tmp_path, monkeypatch
):
    save(PHOTO, photographs / "~" / "~1.tif", "TIFF")
    (tmp_path / "jpeg").mkdir()
    monkeypatch.chdir(tmp_path / "jpeg")
    assert main(["convert-images", str(photographs), "."]) == 0

    assert (tmp_path / "jpeg" / "~" / "~1.jpg").is_file()
