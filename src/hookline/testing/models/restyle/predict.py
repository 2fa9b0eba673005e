"""The demonstration's model: restyles a picture. Runs on the CPU in milliseconds."""

# mypy: disable-error-code="import-not-found, import-untyped, misc"
# ruff: noqa: B008 - Cog reads the inputs' descriptions from the defaults

import tempfile
from pathlib import Path as LocalPath

from cog import BasePredictor, Input, Path
from PIL import Image, ImageOps

MAX_EDGE = 1600


class Predictor(BasePredictor):
    def predict(
        self,
        image: Path = Input(description="The picture to restyle"),
        style: str = Input(
            description="How it shall look",
            choices=["poster", "sepia", "negative", "pixelate"],
            default="poster",
        ),
        output_format: str = Input(
            description="File format of the result", choices=["webp", "png"], default="webp"
        ),
    ) -> Path:
        with Image.open(str(image)) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        print(f"read a picture of {picture.width} x {picture.height} pixels")
        picture.thumbnail((MAX_EDGE, MAX_EDGE))
        result = restyle(picture, style)
        target = LocalPath(tempfile.mkdtemp()) / f"restyled.{output_format}"
        result.save(target)
        print(f"made a {style} of {target.stat().st_size} bytes")
        if hasattr(self, "record_metric"):  # not up to Cog 0.16
            self.record_metric("image_output_count", 1)
        return Path(str(target))


def restyle(picture: Image.Image, style: str) -> Image.Image:
    match style:
        case "poster":
            return ImageOps.posterize(ImageOps.autocontrast(picture), 2)
        case "sepia":
            return ImageOps.colorize(ImageOps.grayscale(picture), black="#1e1004", white="#fff0d0")
        case "negative":
            return ImageOps.invert(picture)
        case _:
            small = picture.resize((max(1, picture.width // 16), max(1, picture.height // 16)))
            return small.resize(picture.size, Image.Resampling.NEAREST)
