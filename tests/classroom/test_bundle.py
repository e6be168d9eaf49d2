"""A class's bundle: what is in it, and that it unpacks whole, or says what is wrong."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from transfer.small_tasks import small_teaching_set

from cxrtutor import __version__, store
from cxrtutor.classroom import bundle, unpack
from cxrtutor.classroom.reset import reset_chapter
from cxrtutor.data.dataset import StudyDataset
from cxrtutor.data.teaching.make import EDITIONS
from cxrtutor.encoders import caching
from cxrtutor.errors import InputError
from cxrtutor.methods.config import load_config
from cxrtutor.methods.registry import method

ROOT = Path(__file__).resolve().parents[2]
NAME = f"cxrtutor-{__version__}"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of a tiny book, one file of which has changed since the last commit."""
    folder = tmp_path_factory.mktemp("repository")
    for part in ("chapters", "book", "configs/teaching"):
        (folder / part).mkdir(parents=True)
        (folder / part / "page.md").write_text("text")
    (folder / "chapters" / "01-one.ipynb").write_text("{}")
    (folder / "requirements.txt").write_text(
        "numpy==1\ntorch==2.1.0    # exact\ntorchvision==0.3\ntorchxrayvision==1\n"
    )
    git = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    (folder / "chapters" / "01-one.ipynb").write_text("a draft")
    return folder


@pytest.fixture
def made(repository, home, tmp_path, monkeypatch) -> bundle.Bundle:
    """A bundle of it, with a set and a table of features, but not what else lies in the cache folder."""
    folders = []
    for kind, file in (("data", "card.json"), ("features", "depth-0.npy"), ("runs", "result.json")):
        folders.append(store.place(kind, "of the class"))
        folders[-1].mkdir(parents=True)
        (folders[-1] / file).write_bytes(bytes(range(256)) * 8)
    monkeypatch.setattr(bundle, "class_folders", lambda recipes: folders[:2])
    return bundle.make_bundle(repository, tmp_path / "out")


def altered(archive: Path, path: str, content: bytes | None) -> Path:
    """The archive with one of its files another, or gone."""
    other = archive.with_name("altered.pyz")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            if name != path:
                new.writestr(name, old.read(name))
            elif content is not None:
                new.writestr(name, content)
    return other


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_holds_the_book_as_git_has_it_and_the_class_folders(made, tmp_path):
    assert made.file == tmp_path / "out" / f"{NAME}.pyz" and re.fullmatch("[0-9a-f]{40}", made.commit)
    assert made.sha256 == hashlib.sha256(made.file.read_bytes()).hexdigest() and made.size == made.file.stat().st_size
    key = store.content_key("of the class")
    with zipfile.ZipFile(made.file) as archive:
        listed = json.loads(archive.read("manifest.json"))["files"]
        assert sorted(listed) == [
            "book/.originals/01-one.ipynb",
            "book/book/page.md",
            "book/chapters/01-one.ipynb",
            "book/chapters/page.md",
            "book/configs/teaching/page.md",
            "book/requirements.txt",
            f"home/data/{key}/card.json",
            f"home/features/{key}/depth-0.npy",
        ]
        assert archive.read("book/chapters/01-one.ipynb") == b"{}", "the draft is not committed"
        assert all(hashlib.sha256(archive.read(path)).hexdigest() == digest for path, (digest, _) in listed.items())
        assert sorted(archive.namelist()) == sorted([*listed, "manifest.json", "__main__.py"])
    assert made.files == len(listed)


def test_the_same_content_gives_the_same_bytes(made, repository, tmp_path):
    assert bundle.make_bundle(repository, tmp_path / "again").sha256 == made.sha256


def test_a_bundle_unpacks_itself_where_nothing_but_python_is_installed(made, home, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-I", "-S", made.file], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    folder = tmp_path / NAME
    assert files_in(folder / "home" / "features") == files_in(home / "features")
    assert "torch==2.1.0 torchvision==0.3 --index-url" in ended.stdout and "torchxray" not in ended.stdout
    assert f'"{sys.executable}" -m venv .venv' in ended.stdout
    assert f'CXRTUTOR_HOME="{folder / "home"}"' in ended.stdout and "--require-hashes -r wheels.txt" in ended.stdout
    assert f"bin/python -m jupyter {unpack.OPEN}" in ended.stdout


def test_the_book_is_opened_as_make_lab_does():
    recipe = (ROOT / "Makefile").read_text().replace("\\\n\t  ", "")
    assert f"$(BIN)/jupyter {unpack.OPEN}\n" in recipe


def test_on_windows_the_commands_are_powershells(made, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", r"C:\A Python\python.exe")
    folder, _ = unpack.unpack(made.file, tmp_path / "here")
    told = unpack.next_steps(folder, windows=True)
    assert '& "C:\\A Python\\python.exe" -m venv .venv' in told
    assert "$env:CXRTUTOR_HOME" in told and ".venv\\Scripts\\python" in told
    assert "export" not in told and "bin/python" not in told


def test_a_python_that_is_too_old_is_told_before_anything_is_unpacked(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(unpack, "OLDEST", (99, 1))
    assert unpack.main([str(tmp_path / "here")], made.file) == 2
    assert re.search(r"needs Python 99\.1 or newer, and this is 3\.", capsys.readouterr().err)
    assert not (tmp_path / "here").exists()


def test_an_old_python_can_read_what_tells_it_so():
    ast.parse(Path(unpack.__file__).read_text(), feature_version=(3, 8))


def test_a_chapter_is_reset_where_it_was_unpacked_though_it_lies_in_a_repository_of_the_readers(made, tmp_path):
    book = unpack.unpack(made.file, tmp_path / "mine")[0] / "book"
    (book / "chapters" / "01-one.ipynb").write_text("my answers")
    git = ["git", "-C", tmp_path / "mine", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "mine"]):
        subprocess.run([*git, *command], check=True)
    assert reset_chapter(book, "1").kept is not None
    assert (book / "chapters" / "01-one.ipynb").read_text() == "{}"


def test_what_is_unpacked_is_found_by_the_package(made, tmp_path, monkeypatch):
    folder, _ = unpack.unpack(made.file, tmp_path / "here")
    monkeypatch.setenv("CXRTUTOR_HOME", str(folder / "home"))
    assert (store.place("data", "of the class") / "card.json").is_file()


def test_a_copy_that_was_stopped_goes_on_and_touches_no_file_that_is_right(made, tmp_path):
    folder, _ = unpack.unpack(made.file, tmp_path / "here")
    gone, kept = folder / "book" / "requirements.txt", folder / "book" / "chapters" / "01-one.ipynb"
    content, when = gone.read_bytes(), kept.stat().st_mtime_ns
    gone.unlink()
    assert unpack.unpack(made.file, folder) == (folder, [])
    assert gone.read_bytes() == content and kept.stat().st_mtime_ns == when


def test_work_of_the_reader_is_left_and_named(made, tmp_path, capsys):
    folder, _ = unpack.unpack(made.file, tmp_path / "here")
    (mine := folder / "book" / "chapters" / "01-one.ipynb").write_text("my answers")
    assert unpack.main([str(folder)], made.file) == 1
    assert mine.read_text() == "my answers" and "  book/chapters/01-one.ipynb\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("book/requirements.txt", b"torch==6.6.6", "requirements.txt has another SHA-256.*Copy it again"),
        ("book/requirements.txt", None, "requirements.txt is missing.*Copy it again"),
        ("manifest.json", None, "no whole bundle.*Copy it again"),
        ("manifest.json", b"{}", "no whole bundle"),
        ("manifest.json", b'{"name": "a", "files": {"../b": ["", 0]}}', r"outside of its folder \(../b\)"),
        ("manifest.json", b'{"name": "/a", "files": {}}', "outside of its folder"),
        ("manifest.json", b'{"name": "a", "files": {"C:b": ["", 0]}}', "outside of its folder"),
        ("manifest.json", b'{"name": "a", "files": {"b\\\\..\\\\c": ["", 0]}}', "outside of its folder"),
    ],
)
def test_a_bundle_that_was_tampered_with_is_refused(path, content, told, made, tmp_path, capsys):
    assert unpack.main([str(tmp_path / "here")], altered(made.file, path, content)) == 2
    assert re.search(told, capsys.readouterr().err)
    assert not list(tmp_path.rglob("*.part")) and not (tmp_path / "here" / "book" / "requirements.txt").exists()


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_half_a_bundle_is_refused(share, made, tmp_path):
    content = made.file.read_bytes()
    made.file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(unpack.BundleError, match="Copy it again"):
        unpack.unpack(made.file, tmp_path / "here")


def test_one_wrong_byte_is_found(made, tmp_path):
    content = bytearray(made.file.read_bytes())
    content[content.index(bytes(range(256))) + 5] ^= 1
    made.file.write_bytes(content)
    with pytest.raises(unpack.BundleError, match=r"damaged.*what was unpacked is kept"):
        unpack.unpack(made.file, tmp_path / "here")


def test_a_place_that_refuses_is_explained(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(unpack.BundleError, match="name another folder"):
        unpack.unpack(made.file, tmp_path / "file")


def test_too_large_a_bundle_is_not_kept(made, repository, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "LARGEST", 100)
    with pytest.raises(InputError, match=r"0 MB, more than 0\. Nothing was kept"):
        bundle.make_bundle(repository, tmp_path / "large")
    assert list((tmp_path / "large").iterdir()) == []


def test_the_class_folders_are_what_the_recipes_frozen_encoders_read(home, tmp_path, monkeypatch):
    (recipes := tmp_path / "recipes").mkdir()
    for name in ("lsm.yaml", "convirt.yaml", "mlip-vit.yaml"):  # the first two share encoders; the last trains one
        (recipes / name).write_bytes((ROOT / "configs" / "teaching" / name).read_bytes())
    made = small_teaching_set(tmp_path / "set")
    monkeypatch.setattr(bundle, "make_teaching_set", lambda edition: made)
    monkeypatch.setattr(bundle, "FILMS", {"full": ("validation", "test")})
    monkeypatch.setattr(bundle, "REPORTS", {"full": ("validation",)})
    folders = list(bundle.class_folders(recipes))
    assert folders[0] == made and len(set(folders)) == 4 and len(list((home / "features").iterdir())) == 3
    config = load_config(recipes / "lsm.yaml")
    model = method(config.method).model(config)
    for name in ("_write_images", "_write_texts"):
        monkeypatch.setattr(caching, name, lambda *_: pytest.fail("computed anew"))
    validation = StudyDataset(made, "validation")
    assert len(model.image_source(validation)) == len(caching.text_source(model.text_encoder, validation)) == 6


def test_the_bundles_splits_are_splits():
    for edition, splits in (*bundle.FILMS.items(), *bundle.REPORTS.items()):
        assert set(splits) <= set(EDITIONS[edition])


def test_where_there_is_no_checkout_the_error_says_so(home, tmp_path):
    with pytest.raises(InputError, match=r"no Git checkout.*--repository"):
        bundle.make_bundle(tmp_path, tmp_path)


def test_a_checkout_of_something_else_is_told(home, tmp_path):
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "page.md").write_text("no book")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    with pytest.raises(InputError, match=r"No folder 'chapters'.*--repository FOLDER"):
        bundle.make_bundle(tmp_path, tmp_path)
