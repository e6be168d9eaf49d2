"""Pictures of the pages as WebP, a sixth as heavy as the PNG that notebooks hold; the notebooks keep theirs.

A small picture (a chart, mostly) stays as it is to the last pixel. A large one (mostly radiographs) loses what an eye
does not see.
"""

from __future__ import annotations

import io
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms.images import BaseImageConverter

SMALL = 40_000
"""Up to so many bytes a picture is kept exactly."""
QUALITY = 90


def webp(picture: Image.Image) -> bytes:
    """The file of a picture: exact where that is small."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True)
    if len(file.getvalue()) > SMALL:
        file = io.BytesIO()
        picture.convert("RGB").save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


class LighterPictures(BaseImageConverter):
    """Puts WebP in the place of each PNG, before Sphinx copies the pictures of a page."""

    default_priority = 150

    def match(self, node: nodes.image) -> bool:
        return node["uri"].endswith(".png") and self.app.builder.format == "html"

    def handle(self, node: nodes.image) -> None:
        source = Path(self.app.srcdir, node["uri"])
        target = Path(self.imagedir, source.stem).with_suffix(".webp")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            target.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(source) as picture:
                target.write_bytes(webp(picture))
        node["uri"] = str(target)
        node["candidates"] = {"*": str(target)}  # whatever the builder knows of, browsers know WebP
        self.env.images.add_file(self.env.docname, str(target))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(LighterPictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
