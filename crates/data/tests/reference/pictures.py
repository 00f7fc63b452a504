"""Makes tests/pictures/: small pictures in every format, and beside each what Pillow makes of it.

    python pictures.py ../pictures

NAME.rgb is ImageOps.exif_transpose(Image.open(NAME)), over white, as RGB, row by row; `sizes.txt` has
the width and height of each. Pillow 13.
"""

import io
import pathlib
import struct
import sys
import zlib

from PIL import Image, ImageOps

out = pathlib.Path(sys.argv[1])
WIDTH, HEIGHT = 6, 4
# Blocks of color that survive JPEG: each corner its own.
picture = Image.new("RGB", (WIDTH * 8, HEIGHT * 8))
corners = [(250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 20)]
for y in range(picture.height):
    for x in range(picture.width):
        picture.putpixel((x, y), corners[2 * (y >= picture.height // 2) + (x >= picture.width // 2)])
small = picture.resize((WIDTH, HEIGHT), Image.NEAREST)

ORIENTATION = 0x0112


def tiff(value, kind=3, order=">"):
    """Exif data with one entry: the orientation, of type SHORT (3), LONG (4) or BYTE (1)."""
    packed = {1: "Bxxx", 3: "Hxx", 4: "I"}[kind]
    head = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHI", ORIENTATION, kind, 1) + struct.pack(order + packed, value)
    return head + struct.pack(order + "I", 8) + struct.pack(order + "H", 1) + entry + b"\0\0\0\0"


def xmp(value):
    return (
        b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
        b'<?xpacket end="w"?>' % value
    )


def segment(data):
    return b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, subsampling=0)
    plain = buffer.getvalue()
    return plain[:2] + b"".join(segments) + plain[2:]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(before=b"", after=b""):
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    plain = buffer.getvalue()
    idat, iend = plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4
    return plain[:idat] + before + plain[idat:iend] + after + plain[iend:]


def exif_segment(*args):
    return segment(b"Exif\0\0" + tiff(*args))


def xmp_segment(value):
    return segment(b"http://ns.adobe.com/xap/1.0/\0" + xmp(value))


def xmp_chunk(value):
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(value))


files = {
    "long.jpg": jpeg(exif_segment(6, 4)),
    "long-little.jpg": jpeg(exif_segment(5, 4, "<")),
    "byte.jpg": jpeg(exif_segment(8, 1)),
    "two.jpg": jpeg(exif_segment(6), exif_segment(3)),
    "xmp.jpg": jpeg(xmp_segment(8)),
    "xmp-and-exif.jpg": jpeg(xmp_segment(8), exif_segment(6)),
    "exif-1-xmp-8.jpg": jpeg(exif_segment(1), xmp_segment(8)),
    "nine.jpg": jpeg(exif_segment(9)),
    "zero.jpg": jpeg(exif_segment(0, 4)),
    "large.jpg": jpeg(exif_segment(70_000, 4)),
    "exif-before.png": png(before=chunk(b"eXIf", tiff(6))),
    "exif-after.png": png(after=chunk(b"eXIf", tiff(6, 4))),
    "xmp-before.png": png(before=xmp_chunk(7)),
    "xmp-after.png": png(after=xmp_chunk(3)),
    "plain.png": png(),
}
for name, options in {
    "plain.bmp": {},
    "plain.tif": {},
    "deflate.tiff": {"compression": "tiff_adobe_deflate"},
    "lzw.tiff": {"compression": "tiff_lzw"},
    "turned.tif": {"tiffinfo": {ORIENTATION: 6}},
    "lossless.webp": {"lossless": True},
    "turned.webp": {"lossless": True, "exif": b"Exif\0\0" + tiff(6, 4)},
    "xmp.webp": {"lossless": True, "xmp": xmp(3)},
    "plain.gif": {},
}.items():
    buffer = io.BytesIO()
    kind = {"tif": "TIFF", "tiff": "TIFF"}.get(name.rsplit(".")[-1], name.rsplit(".")[-1].upper())
    small.save(buffer, kind, **options)
    files[name] = buffer.getvalue()
# Two frames: the first counts.
for name, kind in {"frames.gif": "GIF", "frames.webp": "WEBP", "pages.tif": "TIFF"}.items():
    buffer = io.BytesIO()
    other = ImageOps.flip(small)
    small.save(buffer, kind, save_all=True, append_images=[other], lossless=True)
    files[name] = buffer.getvalue()
# Transparent corners, and gray.
transparent = small.convert("RGBA")
transparent.putpixel((0, 0), (0, 0, 0, 0))
gray = small.convert("L")
for name, image, options in [
    ("transparent.webp", transparent, {"lossless": True}),
    ("transparent.gif", transparent, {}),
    ("transparent.tif", transparent, {}),
    ("gray.bmp", gray, {}),
    ("gray.tif", gray, {}),
    ("bits.tif", gray.convert("1"), {}),
    ("palette.bmp", small.quantize(4), {}),
]:
    buffer = io.BytesIO()
    kind = {"tif": "TIFF"}.get(name.rsplit(".")[-1], name.rsplit(".")[-1].upper())
    image.save(buffer, kind, **options)
    files[name] = buffer.getvalue()

sizes = []
for name, content in sorted(files.items()):
    (out / name).write_bytes(content)
    image = Image.open(io.BytesIO(content))
    image.load()
    image = ImageOps.exif_transpose(image).convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, image).convert("RGB")
    # A JPEG is compared by its blocks.
    flat = flat if flat.width <= 6 else flat.resize((flat.width // 8, flat.height // 8), Image.BOX)
    (out / f"{name}.rgb").write_bytes(flat.tobytes())
    sizes.append(f"{name} {flat.width} {flat.height}\n")
(out / "sizes.txt").write_text("".join(sizes))
