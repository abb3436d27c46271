"""Reads a card face back, written without a look at the product: tesseract the machine readable zone, zbar the barcodes.

face.py read CARD.pdf DIRECTORY                 prints the three lines of the zone and the barcodes
face.py compare CARD.pdf DIRECTORY DG1 DG11     the same, and compares with what the chip says: the zone and the document number
                                                with DG1 (ICAO 9303-10 §4.7.1), the personal number with DG11 (§4.7.11)

face.py number DG11                             prints the personal number in DG11

The zone is cut where ICAO 9303-3 §4 and 9303-5 §4 say it stands: OCR-B, ten characters to the inch. Each character is read by
itself, with the characters that its field may have (9303-5 §4.2.2), as machines at counters do.
"""

import pathlib
import subprocess
import sys

DPI = 600
MM = DPI / 25.4
# ICAO 9303-5 figure 4: the zone is the lower 23.2 mm of a card of 85.6 by 53.98 mm.
ZONE_TOP = 53.98 - 23.2
PITCH = 2.54

DIGITS = "0123456789<"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
BOTH = LETTERS + "0123456789"


def fields():
    """ICAO 9303-5 §4.2.2: which characters may stand at each of the ninety places."""
    line1 = [LETTERS] * 5 + [BOTH] * 9 + [DIGITS] + [BOTH] * 15
    line2 = [DIGITS] * 7 + ["MF<"] + [DIGITS] * 7 + [LETTERS] * 3 + [BOTH] * 11 + [DIGITS]
    line3 = [LETTERS] * 30
    return line1 + line2 + line3


def page(pdf, number):
    """A page in grey: width, height, rows."""
    raw = subprocess.run(
        ["pdftoppm", "-r", str(DPI), "-gray", "-f", str(number), "-l", str(number), pdf], check=True, capture_output=True
    ).stdout
    magic, size, depth, pixels = raw.split(b"\n", 3)
    assert magic == b"P5" and depth == b"255"
    width, height = map(int, size.split())
    return width, height, [pixels[y * width : (y + 1) * width] for y in range(height)]


def bands(rows, dark):
    """The stretches of rows with ink."""
    inked = [any(p < dark for p in row) for row in rows]
    found, start = [], None
    for y, ink in enumerate(inked + [False]):
        if ink and start is None:
            start = y
        elif not ink and start is not None:
            found.append((start, y))
            start = None
    return found


def cells(rows, width):
    """Ninety pictures, one per character, white around."""
    top = round((ZONE_TOP + 2.0) * MM)
    zone = rows[top:]
    lines = [band for band in bands(zone, 100) if band[1] - band[0] > 1.0 * MM]
    if len(lines) != 3:
        sys.exit(f"{len(lines)} lines of text in the zone, not three")
    left = min(next(x for x in range(width) if any(zone[y][x] < 100 for y in range(a, b))) for a, b in lines)
    right = max(next(x for x in range(width - 1, 0, -1) if any(zone[y][x] < 100 for y in range(a, b))) for a, b in lines)
    # The ink of thirty characters spans twenty-nine pitches and the ink of one.
    first = (left + right) / 2 - 15 * PITCH * MM
    side, pad = round(PITCH * MM), round(0.8 * MM)
    out = []
    for a, b in lines:
        for index in range(30):
            x = round(first + index * PITCH * MM)
            blank = bytes([255]) * (side + 2 * pad)
            body = [bytes([255]) * pad + zone[y][x : x + side].ljust(side, b"\xff") + bytes([255]) * pad for y in range(a, b)]
            picture = [blank] * pad + body + [blank] * pad
            out.append((side + 2 * pad, picture))
    return out


def tesseract(pictures, directory, mode, allowed):
    """What tesseract reads in each picture; one run for all."""
    names = []
    for number, (width, rows) in enumerate(pictures):
        name = directory / f"{number:02}.pgm"
        name.write_bytes(b"P5\n%d %d\n255\n" % (width, len(rows)) + b"".join(rows))
        names.append(str(name))
    (directory / "list").write_text("\n".join(names) + "\n", encoding="ascii")
    said = subprocess.run(
        ["tesseract", str(directory / "list"), "-", "--psm", mode, "--dpi", str(DPI), "-l", "eng",
         "-c", f"tessedit_char_whitelist={allowed}"],
        check=True, capture_output=True, text=True,
    ).stdout
    answers = [answer.strip() for answer in said.split("\f")]
    if len(answers) < len(pictures):
        sys.exit(f"tesseract read {len(answers)} of {len(pictures)} pictures")
    return answers[: len(pictures)]


def thrice(picture):
    """The same character three times: a recogniser of words is surer of a word than of a letter."""
    width, rows = picture
    return 3 * width, [3 * row for row in rows]


def halved(picture):
    """The same character at half the resolution."""
    width, rows = picture
    width -= width % 2
    rows = [bytes((a + b) // 2 for a, b in zip(row[0:width:2], row[1:width:2])) for row in rows]
    return width // 2, [bytes((a + b) // 2 for a, b in zip(above, below)) for above, below in zip(rows[0::2], rows[1::2])]


def recognise(pictures, directory):
    """What most of three looks at each character say: alone, three times in a row, and alone at half the resolution."""
    allowed = fields()
    text = [""] * len(pictures)
    for kind in sorted(set(allowed)):
        places = [i for i, a in enumerate(allowed) if a == kind]
        looks = [
            tesseract([pictures[i] for i in places], directory, "10", kind),
            tesseract([thrice(pictures[i]) for i in places], directory, "7", kind),
            tesseract([halved(pictures[i]) for i in places], directory, "10", kind),
        ]
        for place, answers in zip(places, zip(*looks)):
            seen = [set(answer.replace(" ", "")) for answer in answers]
            votes = [one.pop() for one in seen if len(one) == 1]
            text[place] = max(votes, key=votes.count) if votes else "?"
    whole = "".join(text)
    return [whole[:30], whole[30:60], whole[60:]]


def barcodes(pdf, directory):
    """What zbar finds on both pages."""
    subprocess.run(["pdftoppm", "-r", "300", "-png", pdf, str(directory / "page")], check=True)
    said = subprocess.run(
        ["zbarimg", "--quiet", "--nodbus", *map(str, sorted(directory.glob("page*.png")))], capture_output=True, text=True
    ).stdout
    return sorted(said.split())


def dg1(path):
    """ICAO 9303-10 §4.7.1: 61 L 5F1F L, then the ninety characters."""
    content = pathlib.Path(path).read_bytes()
    assert content[:1] == b"\x61" and content[2:5] == b"\x5f\x1f\x5a", "DG1 of a TD1 document"
    text = content[5:95].decode("ascii")
    return [text[:30], text[30:60], text[60:]]


def objects(content):
    """Tag and value of each BER-TLV object."""
    at = 0
    while at < len(content):
        end = at + (2 if content[at] & 0x1F == 0x1F else 1)
        tag = content[at:end].hex().upper()
        length = content[end]
        end += 1
        if length > 0x80:
            size = length - 0x80
            length = int.from_bytes(content[end : end + size], "big")
            end += size
        yield tag, content[end : end + length]
        at = end + length


def personal_number(path):
    """ICAO 9303-10 §4.7.11: 6B, in it 5F10."""
    ((tag, content),) = objects(pathlib.Path(path).read_bytes())
    assert tag == "6B", "DG11"
    return dict(objects(content))["5F10"].decode("ascii")


def main():
    if sys.argv[1] == "number":
        print(personal_number(sys.argv[2]))
        return
    command, pdf, directory, *rest = sys.argv[1:]
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    width, _, rows = page(pdf, 2)
    lines = recognise(cells(rows, width), directory)
    symbols = barcodes(pdf, directory)
    print("\n".join(lines + symbols))
    if command == "compare":
        chip = dg1(rest[0])
        faults = [f"line {n + 1}: printed {a}, in the chip {b}" for n, (a, b) in enumerate(zip(lines, chip)) if a != b]
        wanted = {"document": chip[0][5:14], "personal": personal_number(rest[1])}
        for what, number in wanted.items():
            if f"CODE-128:{number}" not in symbols:
                faults.append(f"no barcode has the {what} number of the chip")
        if len(symbols) != 2:
            faults.append(f"barcodes {symbols}")
        if faults:
            sys.exit("; ".join(faults))


main()
