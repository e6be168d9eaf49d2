from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtutor import store
from cxrtutor.errors import InputError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_home_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path))
    assert store.home() == tmp_path
    monkeypatch.setenv("CXRTUTOR_HOME", "~/elsewhere")
    assert store.home() == Path.home() / "elsewhere"


def test_home_is_the_users_cache_folder_otherwise(monkeypatch):
    monkeypatch.delenv("CXRTUTOR_HOME")
    assert store.home().is_absolute()
    assert "cxrtutor" in store.home().parts


@given(st.dictionaries(st.text(), json_values))
def test_a_key_ignores_the_order_in_which_things_are_said(asked_for):
    turned = dict(reversed(asked_for.items()))
    assert store.content_key(turned) == store.content_key(asked_for)


@given(json_values, json_values)
def test_different_wishes_have_different_keys(one, other):
    assert (store.content_key(one) == store.content_key(other)) == (repr(normal(one)) == repr(normal(other)))


def normal(value):
    """A JSON value with its dictionaries in one order; repr then tells 1 from 1.0, True and "1", as JSON does."""
    if isinstance(value, dict):
        return {key: normal(value[key]) for key in sorted(value)}
    return [normal(item) for item in value] if isinstance(value, list) else value


def test_a_key_is_the_same_in_every_process_and_year():
    assert store.content_key({"seed": 1, "sizes": (128, 0.1)}) == store.content_key({"sizes": [128, 0.1], "seed": 1})
    assert store.content_key("teaching set") == "8774fc21aa8dc03e"


def test_a_key_refuses_what_json_cannot_hold_exactly():
    with pytest.raises(ValueError, match="JSON"):
        store.content_key(float("nan"))


def test_places_of_different_kinds_are_apart(home):
    assert store.place("data", 1) != store.place("runs", 1)
    assert store.place("data", 1).is_relative_to(home)
    assert not home.exists()


def test_a_new_folder_appears_whole(home):
    target = store.place("runs", "a")
    with store.new_folder(target) as folder:
        (folder / "one").write_text("1")
        assert not target.exists()
        (folder / "two").write_text("2")
    assert sorted(path.name for path in target.iterdir()) == ["one", "two"]
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_failure_leaves_nothing_behind(home):
    target = store.place("runs", "a")
    with pytest.raises(KeyboardInterrupt), store.new_folder(target) as folder:
        (folder / "half").write_text("1")
        raise KeyboardInterrupt
    assert list(target.parent.iterdir()) == []


def test_the_first_of_two_racing_writers_wins(home):
    target = store.place("runs", "a")
    with store.new_folder(target) as slow:
        (slow / "who").write_text("slow")
        with store.new_folder(target) as fast:
            (fast / "who").write_text("fast")
    assert (target / "who").read_text() == "fast"
    assert [path.name for path in target.parent.iterdir()] == [target.name]


DIES = """
import os, sys
from pathlib import Path
from cxrtutor import store
with store.held(Path(sys.argv[1]), "holds it"):
    os.kill(os.getpid(), 9)
"""


def test_what_is_held_is_waited_for_until_its_holder_lets_go(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    order = []

    def wait():
        with store.held(tmp_path / "run", "trains it"):
            order.append("second")

    with store.held(tmp_path / "run", "trains it"):
        second = threading.Thread(target=wait)
        second.start()
        second.join(0.5)
        order.append("first")
    second.join(10)
    assert order == ["first", "second"]
    assert capsys.readouterr().err == "Another process trains it; waiting for it.\n"


def test_a_process_that_dies_lets_go(tmp_path):
    subprocess.run([sys.executable, "-c", DIES, tmp_path], check=False)
    assert (tmp_path / ".held").exists()
    with store.held(tmp_path, "holds it"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_where_a_file_system_knows_no_locks_nobody_waits(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with store.held(tmp_path, "holds it"), store.held(tmp_path, "holds it"):
        pass


def test_a_folder_is_replaced_whole(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "old").write_text("old")
    with store.new_folder(tmp_path / "made", replace=True) as folder:
        (folder / "new").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["made", "made/new"]


def test_a_folder_that_cannot_be_replaced_stays_and_is_told(tmp_path, monkeypatch):
    (made := tmp_path / "made").mkdir()
    (made / "old").write_text("old")
    rename = Path.rename

    def refuse(path, target):
        if target == made and (path / "new").exists():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="Permission denied"), store.new_folder(made, replace=True) as folder:
        (folder / "new").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["made", "made/old"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_explained(home):
    target = store.place("runs", "a")
    with pytest.raises(InputError, match=r"No space left.*CXRTUTOR_HOME"), store.new_folder(target):
        Path("/dev/full").write_text("x")
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(("inside", "advice"), [(True, "set CXRTUTOR_HOME"), (False, "another --output")])
def test_advice_fits_the_place_that_was_chosen(inside, advice, home, tmp_path, monkeypatch):
    def full(path, _):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=f"No space left.*{advice}"):
        store.write_file((home if inside else tmp_path / "chosen") / "card.json", "{}")


def test_a_place_that_cannot_be_a_folder_is_explained(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CXRTUTOR_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=f"Cannot write {tmp_path}"), store.new_folder(store.place("runs", "a")):
        pass


def test_a_place_that_cannot_even_be_looked_at_is_explained(tmp_path, monkeypatch):
    """As below a folder that may not be entered, which root, who may run this, enters all the same."""
    monkeypatch.setenv("CXRTUTOR_HOME", str(unspeakable := tmp_path / ("x" * 300) / "home"))
    store._only_readable.cache_clear()
    assert store.homes() == (unspeakable,)
    with pytest.raises(InputError, match="set CXRTUTOR_HOME"), store.new_folder(store.place("data", "a")):
        pass


def test_a_missing_input_is_not_taken_for_a_place_that_cannot_be_written(home, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"input\.png"), store.new_folder(store.place("runs", "a")):
        (tmp_path / "input.png").read_bytes()


def test_a_read_only_place_is_explained(home, monkeypatch):
    def refuse(path, _):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(InputError, match="Read-only file system"):
        store.write_file(home / "card.json", "{}")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A class's folder, which nobody but its owner may write to, and beside it a place for each one's own."""
    top = Path(tempfile.mkdtemp())  # not tmp_path, whose parents another user cannot enter
    for name in ("class", "own"):
        (top / name).mkdir()
    (top / "own").chmod(0o777)
    top.chmod(0o755)
    monkeypatch.setenv("CXRTUTOR_HOME", str(top / "class"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(top / "own"))
    yield top / "class"
    store._only_readable.cache_clear()
    for folder in top.rglob("*/"):
        folder.chmod(0o755)
    shutil.rmtree(top)


def as_a_student(shared: Path, work: Callable[[], None]) -> None:
    """Do `work` in a process that can read `shared` and not write to it: as nobody, or, for who is not root, after its
    owner has given up the right to."""
    for folder in (shared, *shared.rglob("*/")):
        folder.chmod(0o555)
    if (student := os.fork()) == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            store._only_readable.cache_clear()
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(student, 0)[1]) == 0


on_linux = pytest.mark.skipif(not hasattr(os, "setgroups"), reason="needs permissions as Linux has them")


def put(kind: str, asked_for: object, file: str) -> Path:
    folder = store.place(kind, asked_for)
    folder.mkdir(parents=True)
    (folder / file).write_text("the class's")
    return folder


@on_linux
def test_what_a_shared_folder_holds_is_read_there_and_all_else_goes_to_ones_own(shared):
    features, run = put("features", "a", "depth-0.npy"), put("runs", "a", "result.json")

    def work():
        assert store.homes() == (shared.parent / "own" / "cxrtutor", shared)
        assert store.place("features", "a") == features
        assert store.place("runs", "a") == run
        mine = store.place("features", "b")
        assert mine.is_relative_to(shared.parent / "own") and store.home() == mine.parents[1]
        with store.new_folder(mine) as folder:
            (folder / "depth-0.npy").write_text("mine")
        assert (store.place("features", "b") / "depth-0.npy").read_text() == "mine"

    as_a_student(shared, work)
    assert sorted(path.name for path in shared.rglob("*") if path.is_file()) == ["depth-0.npy", "result.json"]


@on_linux
@pytest.mark.parametrize(("kind", "last"), [("data", "card.json"), ("runs", "result.json")])
def test_what_the_owner_of_a_shared_folder_has_only_begun_is_made_anew(kind, last, shared):
    begun = put(kind, "a", "half")
    as_a_student(shared, lambda: not_there(begun, kind))
    begun.chmod(0o755)
    (begun / last).write_text("{}")
    as_a_student(shared, lambda: there(begun, kind))


def not_there(folder: Path, kind: str) -> None:
    assert store.place(kind, "a") != folder


def there(folder: Path, kind: str) -> None:
    assert store.place(kind, "a") == folder


@on_linux
def test_ones_own_comes_before_the_classs(shared):
    theirs = put("features", "a", "depth-0.npy")

    def work():
        mine = store.home() / "features" / theirs.name
        mine.mkdir(parents=True)
        assert store.place("features", "a") == mine

    as_a_student(shared, work)


def test_a_folder_that_may_be_written_to_is_the_only_one(shared):
    assert store.homes() == (shared,)
    assert list(shared.iterdir()) == [], "the trial leaves nothing"


@pytest.mark.parametrize(
    ("refusal", "places"), [(errno.EROFS, 2), (errno.EACCES, 2), (errno.EPERM, 2), (errno.ENOSPC, 1)]
)
def test_a_full_disk_is_not_taken_for_a_shared_folder(refusal, places, shared, monkeypatch):
    def refuse(path):
        raise OSError(refusal, os.strerror(refusal), str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    assert len(store.homes()) == places


def test_a_file_is_replaced_whole(tmp_path):
    target = tmp_path / "deep" / "card.json"
    store.write_file(target, "old")
    store.write_file(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["card.json"]


def test_others_may_read_what_is_kept(tmp_path):
    previous = os.umask(0o022)
    try:
        store.write_file(tmp_path / "card.json", "{}")
        with store.new_folder(tmp_path / "run"):
            pass
    finally:
        os.umask(previous)
    assert (tmp_path / "card.json").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755


def test_a_file_whose_writing_fails_stays_as_it_was(tmp_path, monkeypatch):
    target = tmp_path / "card.json"
    store.write_file(target, "old")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.os, "replace", fail)
    with pytest.raises(InputError, match="No space left"):
        store.write_file(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_what_killed_runs_left_is_cleared_and_nothing_else(tmp_path):
    for name in (".card.json-0123456789abcdef", ".hidden", "a-0123456789abcdef", ".b-0123"):
        (tmp_path / name).write_text("x")
    left = store._partial(tmp_path / "card.json")
    left.write_text("half")
    store.clear_partial_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b-0123", ".hidden", "a-0123456789abcdef"]
