"""What a canvas shows."""

from __future__ import annotations


def any_pixel(canvas, condition: str) -> bool:
    """Whether some pixel of a canvas meets a condition on `red`, `green` and `blue`, written in JavaScript."""
    script = """(canvas, condition) => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
        const holds = new Function("red", "green", "blue", `return ${condition}`);
        return Array.from({ length: data.length / 4 }, (_, k) => data.subarray(4 * k, 4 * k + 3)).some(
            (pixel) => holds(...pixel),
        );
    }"""
    return canvas.evaluate(script, condition)
