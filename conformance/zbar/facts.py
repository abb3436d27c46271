"""Check digits by the book, written without a look at the product.

facts.py mrz CARDS.json              every sample card's MRZ (ICAO 9303-5, TD1)
facts.py mrz-broken CARDS.json       the same with one digit changed: must fail
facts.py barcodes SYMBOLS SERIAL NUMBER   zbarimg's output: the card serial and the national number of the chip, both Code 128
"""

import json
import sys

VALUES = {c: i for i, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}

# The letter of a national number stands for two digits; the order is historical.
LETTERS = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36)))


def check_digit(text):
    """ICAO 9303-3 §4.9: weights 7, 3, 1."""
    return str(sum(VALUES[c] * (7, 3, 1)[i % 3] for i, c in enumerate(text)) % 10)


def td1_faults(lines, serial):
    """ICAO 9303-5 §4.2.2: what is wrong with the three lines."""
    if len(lines) != 3 or any(len(line) != 30 for line in lines):
        return ["not three lines of thirty characters"]
    if any(c not in VALUES for line in lines for c in line):
        return ["a character outside A-Z, 0-9 and <"]
    one, two, three = lines
    composite = one[5:30] + two[0:7] + two[8:15] + two[18:29]
    wanted = {
        "document code": (one[0:2], "ID"),
        "issuing state": (one[2:5], "TWN"),
        "document number": (one[5:14], serial),
        "check digit of the number": (one[14], check_digit(one[5:14])),
        "check digit of the birth date": (two[6], check_digit(two[0:6])),
        "sex": (two[7], "<"),
        "check digit of the expiry date": (two[14], check_digit(two[8:14])),
        "nationality": (two[15:18], "TWN"),
        "composite check digit": (two[29], check_digit(composite)),
    }
    faults = [f"{what}: {found} instead of {right}" for what, (found, right) in wanted.items() if found != right]
    if not three.strip("<"):
        faults.append("no name")
    return faults


def mrz(path, broken=False):
    with open(path, encoding="utf-8") as file:
        cards = [card for card in json.load(file) if card.get("mrz")]
    if not cards:
        sys.exit("no card shows an MRZ")
    faults = []
    for card in cards:
        lines = list(card["mrz"])
        if broken:
            lines[1] = ("1" if lines[1][0] != "1" else "2") + lines[1][1:]
        faults += [f"{card['serial']}: {fault}" for fault in td1_faults(lines, card["serial"])]
    if faults:
        sys.exit("; ".join(faults))
    print(f"{len(cards)} cards")


def national_number_is_right(number):
    if len(number) != 10 or number[0] not in LETTERS or not number[1:].isdigit():
        return False
    tens, ones = divmod(LETTERS[number[0]], 10)
    digits = [tens, ones] + [int(d) for d in number[1:]]
    return sum(d * w for d, w in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def barcodes(path, serial, number):
    with open(path, encoding="utf-8") as file:
        symbols = [line.strip().split(":", 1) for line in file if ":" in line]
    if sorted(kind for kind, _ in symbols) != ["CODE-128", "CODE-128"]:
        sys.exit(f"symbols: {[kind for kind, _ in symbols]}")
    texts = [text for _, text in symbols]
    if serial not in texts:
        sys.exit("the card serial is not among them")
    texts.remove(serial)
    if texts != [number] or not national_number_is_right(number):
        sys.exit("the other is not the national number in the chip")


def main():
    command, *rest = sys.argv[1:]
    if command == "mrz":
        mrz(rest[0])
    elif command == "mrz-broken":
        mrz(rest[0], broken=True)
    elif command == "barcodes":
        barcodes(*rest)
    else:
        sys.exit(__doc__)


main()
