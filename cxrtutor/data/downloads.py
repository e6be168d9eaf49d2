"""Files of open sets from their owners' servers: resumed where the connection broke, and the same file every time.

`pooch` keeps the file and verifies it; what it does not do is go on in the middle of one, which matters for files of
many gigabytes. This is done here with HTTP's `Range` and `If-Range`, so that two versions of a file are never joined.
"""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from .. import store
from ..errors import InputError

if TYPE_CHECKING:
    from requests import Response

ATTEMPTS = 5
"""How often in a row a server may break the connection without having sent anything."""
_TIMEOUT = 60  # seconds of silence
_BLOCK = 1 << 16  # what is lost of a broken connection is less than one of these


def fetch(url: str, folder: str | Path, *, sha256: str | None = None, name: str | None = None) -> Path:
    """Download a file, or find it where it was downloaded before.

    What an interrupted download has received is kept beside the file (`.<name>.part`), and the next call goes on from
    there if the server can do that and still has the same file; otherwise it begins anew. The file itself appears only
    when it is whole.

    Args:
        url: http or https.
        folder: where the file goes.
        sha256: the owner's checksum. Where the owner publishes none, the first download's is written beside the file
            (`<name>.sha256`), and a file that differs from it later is downloaded again and then refused.
        name: of the file; by default the last part of the address.

    Raises:
        InputError: there is no network, no such file, no room on the disk, or the file has another checksum.
    """
    import pooch

    target = Path(folder) / (name or unquote(Path(urlsplit(url).path).name))
    if urlsplit(url).scheme not in ("http", "https") or target == Path(folder):
        raise InputError(f"{url} is no address of a file. Give one that begins with https:// and ends with a name.")
    record = target.with_name(f"{target.name}.sha256")
    expected = sha256 or _recorded(record)
    pooch.get_logger().setLevel("WARNING")  # the bar says it all
    with store.explained_write_errors(target), _explained(url, target):
        try:
            pooch.retrieve(url, expected, target.name, target.parent.absolute(), downloader=_Resuming(target))
        except ValueError as error:
            if "does not match the known hash" not in str(error):
                raise
            source = "the owner's checksum" if sha256 else f"the checksum of the first download ({record})"
            raise InputError(
                f"{url} is not the file that was asked for: its SHA-256 is not {expected}, {source}. "
                "The owner may have replaced it. Find out why, and give the new checksum or delete the recorded one."
            ) from error
        if expected is None:
            store.write_file(record, f"{pooch.file_hash(str(target))}  {target.name}\n")
    return target


def unpack(archive: Path, target: Path) -> None:
    """Put all files of a tar or zip archive, flat, into a new folder, which is there whole or not at all.

    Hidden files, which systems leave in every folder, are left out.

    Raises:
        InputError: the archive is damaged or no archive, two of its files have one name, or the disk refuses.
    """
    try:
        with store.new_folder(target) as new:
            for name, content in _files_of(archive):
                file = new / Path(name).name
                if file.name.startswith("."):
                    continue
                if file.exists():
                    raise InputError(
                        f"{archive} holds two files named {file.name}, and one would replace the other. Unpack it by "
                        f"hand into {target}, and keep the one that is meant."
                    )
                file.write_bytes(content)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{archive} cannot be unpacked ({error}). Delete it and download it again.") from error


def _files_of(archive: Path) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as files:
            for member in tqdm(files.infolist(), desc=f"unpacking {archive.name}", disable=None, delay=5):
                if not member.is_dir():
                    yield member.filename, files.read(member)
        return
    with tarfile.open(archive) as files:
        for member in tqdm(files, desc=f"unpacking {archive.name}", disable=None, delay=5):
            if member.isfile():
                yield member.name, files.extractfile(member).read()


@dataclass(frozen=True)
class _Resuming:
    """Downloads for pooch into its temporary file, by way of one of our own that outlives an interruption."""

    target: Path

    @property
    def part(self) -> Path:
        """What has been received."""
        return self.target.with_name(f".{self.target.name}.part")

    @property
    def note(self) -> Path:
        """Of which address and which version of the file."""
        return self.target.with_name(f".{self.target.name}.part.json")

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        import requests

        failures = 0
        while failures < ATTEMPTS:
            had = self._received(url)
            try:
                self._receive(url)
                break
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as error:
                failures = 0 if self._received(url) > had else failures + 1
                if failures == ATTEMPTS:
                    raise error
        self.part.replace(output_file)
        self.note.unlink(missing_ok=True)

    def _received(self, url: str) -> int:
        """How many bytes can be built upon; 0 where it is not known of which version of the file they are."""
        return self.part.stat().st_size if self.part.exists() and self._version(url) else 0

    def _version(self, url: str) -> str | None:
        try:
            noted = json.loads(self.note.read_text())
        except (OSError, ValueError):
            return None
        return noted["version"] if noted["url"] == url else None

    def _receive(self, url: str) -> None:
        """One request: the rest of the file, or all of it where the server has another version or knows no parts."""
        import requests

        start = self._received(url)
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": self._version(url)}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if start and response.status_code == requests.codes.requested_range_not_satisfiable:
                self.note.unlink(missing_ok=True)  # there is nothing behind what was received: begin anew
                return self._receive(url)
            response.raise_for_status()
            _refuse_a_web_page(response, self.target)
            if response.status_code != requests.codes.partial_content or _first_byte(response) != start:
                if response.status_code == requests.codes.partial_content:
                    raise InputError(f"{url}: the server sent another part of the file than was asked for. Try later.")
                start = 0
                self.part.unlink(missing_ok=True)
                store.write_file(self.note, json.dumps({"url": url, "version": _version_of(response)}))
            length = int(response.headers.get("Content-Length") or 0)
            size = start + length if length else None
            bar = tqdm(
                total=size, initial=start, unit="B", unit_scale=True, desc=self.target.name, disable=None, leave=False
            )
            with bar, self.part.open("ab") as file:
                for block in response.iter_content(_BLOCK):
                    file.write(block)
                    bar.update(len(block))
        if size is not None and self.part.stat().st_size != size:
            raise requests.exceptions.ConnectionError(f"{self.part.stat().st_size} of {size} bytes arrived")
        return None


def _first_byte(response: Response) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _version_of(response: Response) -> str | None:
    """What tells this version of a file from others, as `If-Range` takes it; None where the server does not say."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _refuse_a_web_page(response: Response, target: Path) -> None:
    """A server that wants a signature or a click sends a page, and says that all is well."""
    if response.headers.get("Content-Type", "").startswith("text/html") and target.suffix not in (".html", ".htm"):
        raise InputError(
            f"{response.url} is a web page and not {target.name}: the owner may ask for a sign-in or a consent. "
            f"Download it with a browser and put it at {target}."
        )


def _recorded(record: Path) -> str | None:
    try:
        return record.read_text().split()[0]
    except FileNotFoundError:
        return None
    except (IndexError, UnicodeDecodeError) as error:
        raise InputError(f"{record} holds no checksum. Delete it, and the file that it belongs to.") from error


@contextmanager
def _explained(url: str, target: Path) -> Iterator[None]:
    """Turn what `requests` raises into a message that says what to do."""
    import requests

    by_hand = f"Or download it with a browser and put it at {target}."
    try:
        yield
    except requests.HTTPError as error:
        code = error.response.status_code
        reason = {401: "asks for a sign-in", 403: "refuses", 404: "has no such file", 410: "has it no longer"}
        said = reason.get(code, "does not send it")
        raise InputError(f"{url}: the server {said} (HTTP {code}). The owner may have moved it. {by_hand}") from error
    except requests.exceptions.RequestException as error:
        kept = target.with_name(f".{target.name}.part")
        so_far = (
            f"{kept.stat().st_size:,} bytes are kept; the same command goes on from there. " if kept.exists() else ""
        )
        raise InputError(
            f"{url}: the connection failed ({type(error).__name__}). Check the network. {so_far}{by_hand}"
        ) from error
