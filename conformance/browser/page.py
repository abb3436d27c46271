"""page.py CARDS.json DOM.html URL: every sample card stands on the page, and every picture and link of it answers."""

import json
import sys
import urllib.parse
import urllib.request
from html.parser import HTMLParser


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.targets = [], set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        target = values.get("href") if tag in ("a", "link") else values.get("src")
        if target and not target.startswith(("#", "data:", "mailto:")):
            self.targets.add(target)

    def handle_data(self, data):
        self.text.append(data)


def main():
    cards_path, dom_path, url = sys.argv[1:4]
    page = Page()
    with open(dom_path, encoding="utf-8") as file:
        page.feed(file.read())
    text = " ".join(page.text)
    with open(cards_path, encoding="utf-8") as file:
        cards = json.load(file)
    missing = [card["serial"] for card in cards if card.get("persona") and card["serial"] and card["serial"] not in text]
    if missing:
        sys.exit(f"not on the page: {missing}")
    local = {urllib.parse.urljoin(url, target) for target in page.targets}
    local = sorted(target for target in local if urllib.parse.urlsplit(target).netloc == urllib.parse.urlsplit(url).netloc)
    for target in local:
        # A status that is no success raises.
        with urllib.request.urlopen(target.split("#")[0], timeout=20) as answer:
            answer.read(1)
    if not any("face" in target or ".png" in target for target in local):
        sys.exit("no link to a card's face")
    print(f"{len(cards)} cards, {len(local)} links answer")


main()
