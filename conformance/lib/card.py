"""Picks a sample card: card.py CARDS.json FIELD... KEY=VALUE... prints the fields of the first card that matches.

KEY=* asks for a value that is not null. A list (the MRZ) is printed one element per line.
"""

import json
import sys


def matches(card, conditions):
    for key, value in conditions:
        found = card.get(key)
        if found is None or (value != "*" and str(found) != value):
            return False
    return True


def main():
    path, words = sys.argv[1], sys.argv[2:]
    conditions = [word.split("=", 1) for word in words if "=" in word]
    fields = [word for word in words if "=" not in word]
    with open(path, encoding="utf-8") as file:
        cards = json.load(file)
    for card in cards:
        if matches(card, conditions):
            for field in fields:
                value = card[field]
                print("\n".join(value) if isinstance(value, list) else value)
            return
    sys.exit(f"no sample card with {conditions}")


main()
