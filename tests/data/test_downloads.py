from __future__ import annotations

import errno
import hashlib
import re
import socket
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from cxrtutor.data import downloads
from cxrtutor.data.downloads import fetch, unpack
from cxrtutor.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A server of one file, which does what a test tells it.

    Attributes:
        content: the file.
        tag: its ETag, or None; its Last-Modified is the same for all versions.
        ranges: whether parts of it can be asked for.
        cuts: for each request to come, after how many bytes the connection breaks.
        requests: the `Range` of every request so far.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag, self.ranges, self.cuts, self.requests = CONTENT, '"1"', True, [], []
        self.status, self.kind, self.length = 200, "application/octet-stream", True

    def handle_error(self, *_):
        """Clients go away in these tests."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/files/film%20set.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.requests.append(asked)
        start = 0
        if server.status != 200:
            return self.send_error(server.status)
        if asked and server.ranges and self.headers.get("If-Range") == server.tag:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(server.content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.length:
            self.send_header("Content-Length", str(len(server.content) - start))
        self.send_header("Content-Type", server.kind)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        self.wfile.write(server.content[start:] if cut is None else server.content[start : start + cut])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def test_a_file_is_downloaded_once_and_its_checksum_kept(server, tmp_path):
    path = fetch(server.url, tmp_path / "new")
    assert path == tmp_path / "new" / "film set.zip" and path.read_bytes() == CONTENT
    assert fetch(server.url, tmp_path / "new") == path and server.requests == [None]
    assert (tmp_path / "new" / "film set.zip.sha256").read_text() == f"{SHA256}  film set.zip\n"
    assert sorted(one.name for one in path.parent.iterdir()) == ["film set.zip", "film set.zip.sha256"]


def test_the_owners_checksum_is_not_written_down_again(server, tmp_path):
    path = fetch(server.url, tmp_path, sha256=SHA256, name="set.zip")
    assert [one.name for one in tmp_path.iterdir()] == ["set.zip"] and path.read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cuts = [1_000_000, 500_000]
    assert fetch(server.url, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    first, *others = server.requests
    assert first is None and len(others) == 2 and others[0] != others[1] and None not in others


def interrupted(server, folder, monkeypatch):
    """A download that was killed after its first block."""

    def after_a_block(response, size):
        yield next(whole(response, size))
        raise KeyboardInterrupt

    import requests

    whole = requests.Response.iter_content
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(requests.Response, "iter_content", after_a_block)
        fetch(server.url, folder)
    assert not (folder / "film set.zip").exists()
    assert (folder / ".film set.zip.part").read_bytes() == server.content[: downloads._BLOCK]


def test_an_interrupted_download_goes_on_in_the_next_run(server, tmp_path, monkeypatch):
    interrupted(server, tmp_path, monkeypatch)
    assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={downloads._BLOCK}-"]
    assert not list(tmp_path.glob(".*"))


def test_a_server_without_parts_begins_anew(server, tmp_path, monkeypatch):
    interrupted(server, tmp_path, monkeypatch)
    server.ranges = False
    assert fetch(server.url, tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_a_server_that_names_no_version_is_not_asked_for_the_rest(server, tmp_path, monkeypatch):
    server.tag = None
    interrupted(server, tmp_path, monkeypatch)
    server.content = OTHER
    assert fetch(server.url, tmp_path).read_bytes() == OTHER
    assert server.requests == [None, None]


def test_two_versions_of_a_file_are_never_joined(server, tmp_path, monkeypatch):
    interrupted(server, tmp_path, monkeypatch)
    server.content, server.tag = OTHER, '"2"'
    assert fetch(server.url, tmp_path).read_bytes() == OTHER


def test_a_part_of_another_address_is_not_used(server, tmp_path, monkeypatch):
    interrupted(server, tmp_path, monkeypatch)
    assert fetch(server.url.replace("files", "old"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, None]


def test_a_part_that_is_whole_already_begins_anew(server, tmp_path, monkeypatch):
    interrupted(server, tmp_path, monkeypatch)
    (tmp_path / ".film set.zip.part").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_a_server_that_does_not_say_how_long_the_file_is(server, tmp_path):
    server.length = False
    assert fetch(server.url, tmp_path).read_bytes() == CONTENT


def test_a_connection_that_breaks_again_and_again_ends_in_words(server, tmp_path):
    server.cuts = [1_000_000, *[0] * 20]
    with pytest.raises(InputError, match=r"connection failed.*983,040 bytes are kept"):
        fetch(server.url, tmp_path)
    assert len(server.requests) == 1 + downloads.ATTEMPTS
    server.cuts = []
    assert fetch(server.url, tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_nothing_kept(server, tmp_path):
    with pytest.raises(InputError, match="the owner's checksum"):
        fetch(server.url, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_owner_replaced_is_noticed(server, tmp_path):
    path = fetch(server.url, tmp_path)
    path.write_bytes(b"damaged on this disk")
    assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    path.unlink()
    server.content, server.tag = OTHER, '"2"'
    with pytest.raises(InputError, match=r"checksum of the first download.*\.sha256"):
        fetch(server.url, tmp_path)
    assert not path.exists()


@pytest.mark.parametrize(("status", "words"), [(404, "no such file"), (401, "sign-in"), (503, "does not send it")])
def test_what_the_server_answers_is_said(server, tmp_path, status, words):
    server.status = status
    with pytest.raises(InputError, match=rf"{words} \(HTTP {status}\).*film set\.zip"):
        fetch(server.url, tmp_path)


def test_a_server_that_has_no_part_of_anything(server, tmp_path):
    server.status = 416
    with pytest.raises(InputError, match=r"does not send it \(HTTP 416\)"):
        fetch(server.url, tmp_path)
    assert len(server.requests) == 1


def test_a_sign_in_page_is_no_data_set(server, tmp_path):
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(InputError, match="web page and not film set"):
        fetch(server.url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_network(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/set.zip"
        with pytest.raises(InputError, match="Check the network"):
            fetch(url, tmp_path)


def test_a_full_disk_is_said(server, tmp_path, monkeypatch):
    opened = downloads.Path.open

    def full(self, mode="r", *args, **kwargs):
        if mode == "ab":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, mode, *args, **kwargs)

    monkeypatch.setattr(downloads.Path, "open", full)
    with pytest.raises(InputError, match="No space left"):
        fetch(server.url, tmp_path)


@pytest.mark.parametrize("url", ["ftp://host/set.zip", "https://host/", "set.zip", ""])
def test_what_is_no_address_is_refused(tmp_path, url):
    with pytest.raises(InputError, match="no address of a file"):
        fetch(url, tmp_path)


def test_a_broken_checksum_file_is_named(server, tmp_path):
    (tmp_path / "film set.zip.sha256").write_text("")
    with pytest.raises(InputError, match=r"\.sha256 holds no checksum"):
        fetch(server.url, tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_unpacked_flat_and_whole(tmp_path, kind):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.png").write_bytes(b"film")
    archive = tmp_path / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as files:
            files.mkdir("train_data")
            files.write(inside / "a.png", "train_data/a.png")
            files.writestr("../../outside.png", b"elsewhere")
    else:
        with tarfile.open(archive, "w:gz") as files:
            files.add(inside, "train_data")
            files.add(inside / "a.png", "../../outside.png")
    unpack(archive, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "outside.png"]
    assert (tmp_path / "new" / "a.png").read_bytes() == b"film"

    with zipfile.ZipFile(tmp_path / "two.zip", "w") as files:
        for name in ("a/.DS_Store", "a/1.png", "b/.DS_Store", "b/1.png"):
            files.writestr(name, name)
    with pytest.raises(InputError, match=r"two\.zip holds two files named 1\.png"):
        unpack(tmp_path / "two.zip", tmp_path / "never")

    damaged = tmp_path / f"damaged.{kind}"
    damaged.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(damaged, tmp_path / "never")
    assert not (tmp_path / "never").exists()
