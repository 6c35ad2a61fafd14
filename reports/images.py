"""Grids of grey values as PNG."""

import struct
import zlib

import numpy as np


def grey_png(rows: list[list[int]], enlarge: int = 2) -> bytes:
    """An 8-bit grey PNG of a grid of 0..255, every pixel `enlarge` times as wide. Raises ValueError for another shape.

    Source: PNG specification (ISO/IEC 15948), colour type 0, filter type 0 on every row.
    """
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        raise ValueError(f"An image is a rectangle of 0..255; got rows of lengths {sorted({len(r) for r in rows})}.")
    grid = np.asarray(rows, dtype=float)
    pixels = np.clip(np.nan_to_num(grid), 0, 255).astype(np.uint8)
    pixels = pixels.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    height, width = pixels.shape
    raw = np.hstack([np.zeros((height, 1), np.uint8), pixels]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
