"""The encrypted zone in reports of `neweid read`.

    zone.py same REPORT REPORT          the same fields with the same values, all verified, and the same identifiers
    zone.py fields REPORT NAME...       these fields were read and verified, and no other
    zone.py value REPORT NAME [TEXT]    what a verified field says, which is the text where one is given
"""

import json
import sys


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def verified(report):
    zone = report["encrypted_zone"]
    if zone["verdict"] != "verified":
        sys.exit(f"{zone['verdict']}: {zone.get('refusal')}")
    return {field["name"]: field["value"] for field in zone["fields"] if field["outcome"] == "verified"}


def same(first, second):
    one, other = load(first), load(second)
    if verified(one) != verified(other):
        sys.exit("the two readings differ")
    identifiers = [report["restricted_identification"] for report in (one, other)]
    if identifiers[0] != identifiers[1] or not {"identifier", "second_identifier"} <= identifiers[0].keys():
        sys.exit("the identifiers differ")
    if len(verified(one)) < 6:
        sys.exit("fewer than the six fields")
    print(f"{len(verified(one))} fields and two identifiers are the same")


def fields(report, *names):
    found = set(verified(load(report)))
    print(", ".join(sorted(found)))
    if found != set(names):
        sys.exit("other fields were read than may be")


def value(report, name, *expected):
    found = verified(load(report))[name]
    print(found)
    if expected and found != expected[0]:
        sys.exit(f"not {expected[0]}")


{"same": same, "fields": fields, "value": value}[sys.argv[1]](*sys.argv[2:])
