"""console.py NEWEID COUNTRY URL DIRECTORY: two operators and an auditor at the console, with a browser, without a mouse.

Prints `ok NAME` or `FAIL NAME reason` per step; pictures and the browser's log stay in DIRECTORY.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from devtools import Browser  # noqa: E402

NEWEID, COUNTRY, URL, DIRECTORY = sys.argv[1:5]
PASSWORD = "Kx7!mountain-Rain"
HERE = os.path.dirname(os.path.abspath(__file__))
ACCESSIBLE = open(os.path.join(HERE, "accessible.js"), encoding="utf-8").read()
failed = False


def step(name, good, reason=""):
    global failed
    failed |= not good
    print(f"ok {name}" if good else f"FAIL {name} {reason}", flush=True)


def address(path):
    return URL.rstrip("/").removesuffix("/console") + path


def text(browser):
    return browser.js("document.body.innerText")


def submit(browser, condition="e.tagName === 'BUTTON' && !e.classList.contains('plain')"):
    browser.tab_to(condition)
    browser.enter()


def enrol(browser, name):
    printed = subprocess.run([NEWEID, "operator", "enrol", name, "--operator", "judge", "--dir", COUNTRY],
                             check=True, capture_output=True, text=True).stdout
    code = re.search(r"([A-Z2-9]{5}-){3}[A-Z2-9]{5}", printed).group(0)
    browser.open(address("/console/enrol"))
    for field, value in (("name", name), ("code", code), ("new", PASSWORD), ("again", PASSWORD)):
        browser.tab_to(f"e.id === '{field}'")
        browser.type(value)
    submit(browser)
    return "密碼已設定" in text(browser)


def sign_in(browser, name, password):
    browser.open(address("/console/sign-in"))
    for field, value in (("name", name), ("password", password)):
        browser.tab_to(f"e.id === '{field}'")
        browser.type(value)
    submit(browser)
    return browser.js("location.pathname") == "/console/"


def new(name):
    profile = os.path.join(DIRECTORY, f"profile-{name}")
    return Browser(profile, open(os.path.join(DIRECTORY, f"chromium-{name}.log"), "w"))


def complaints(browser, pages):
    found = []
    for path in pages:
        browser.look(1280)
        browser.open(address(path))
        for width, dark in ((1280, False), (1280, True), (320, False)):
            browser.look(width, dark)
            found += [f"{path} {width}{' dark' if dark else ''} {what}" for what in browser.js(ACCESSIBLE)]
    return found


def pictures(browser, name, path):
    browser.open(address(path))
    for suffix, width, dark in (("", 1280, False), ("-dark", 1280, True), ("-narrow", 360, False)):
        browser.look(width, dark)
        browser.picture(os.path.join(DIRECTORY, f"console-{name}{suffix}.png"))
    browser.look(1280)


def violations(browser):
    """What the browser refused to load, and scripts that ran into something."""
    bad = [e for e in browser.events if e.get("method") == "Log.entryAdded" and e["params"]["entry"]["level"] == "error"
           and not re.search(r"status of (400|403|404|409)", e["params"]["entry"]["text"])]
    foreign = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"
               and not e["params"]["request"]["url"].startswith((address("/"), "about:", "data:"))]
    return [e["params"]["entry"]["text"] for e in bad] + foreign


anna, bert, lin = new("anna"), new("bert"), new("lin")
try:
    anna.look(1280)
    anna.open(address("/console/"))
    step("nobody-is-sent-to-sign-in", anna.js("location.pathname") == "/console/sign-in", anna.js("location.href"))
    step("enrol-by-keyboard", enrol(anna, "ca-anna") and enrol(bert, "ca-bert") and enrol(lin, "audit-lin"))
    step("wrong-password", not sign_in(bert, "ca-bert", "Lz8?river-Stone-9") and "不正確" in text(bert))
    step("sign-in-by-keyboard", sign_in(anna, "ca-anna", PASSWORD), text(anna)[:200])
    cookies = anna.call("Network.getCookies", urls=[address("/console/")])["cookies"]
    cookie = next((c for c in cookies if c["name"] == "neweid-console"), {})
    step("cookie-is-guarded", cookie.get("httpOnly") is True and cookie.get("sameSite") == "Strict" and cookie.get("path") == "/console", str(cookies))
    step("no-script-sees-the-cookie", anna.js("document.cookie") == "")
    anna.open(address("/console/incidents"))
    anna.tab_to("e.id === 'cards'")
    cards = json.loads(subprocess.run([NEWEID, "card", "list", "--json", "--dir", COUNTRY], check=True, capture_output=True, text=True).stdout)
    serial = next(card["serial"] for card in cards if card["persona"] == "rare_characters")
    anna.type(serial)
    anna.tab_to("e.id === 'password-propose'")
    anna.type(PASSWORD)
    submit(anna, "e.tagName === 'BUTTON' && e.form.getAttribute('action').endsWith('/propose')")
    step("one-proposes", "已提案" in text(anna), text(anna)[:300])
    anna.open(address("/console/approvals"))
    step("not-the-same-person", anna.js("document.querySelectorAll('main form').length") == 0 and "待另一人核可" in text(anna))
    step("second-person-signs-in", sign_in(bert, "ca-bert", PASSWORD))
    bert.open(address("/console/approvals"))
    bert.tab_to("e.id === 'password-1'")
    bert.type("Lz8?river-Stone-9")
    submit(bert, "e.classList.contains('stop')")
    step("approval-needs-the-password", "OPERATORS-REFUSED" in text(bert), text(bert)[:200])
    bert.open(address("/console/approvals"))
    bert.tab_to("e.id === 'password-1'")
    bert.type(PASSWORD)
    submit(bert, "e.classList.contains('stop')")
    approved = "已核可" in text(bert)
    # What is not done within the answer is done soon after.
    for _ in range(60):
        if "完成" in text(bert):
            break
        time.sleep(1)
        bert.open(address("/console/incidents"))
    step("another-approves", approved and "完成" in text(bert), text(bert)[:300])
    bert.open(address("/console/audit"))
    step("another-role-is-refused", "NEWEID-E-CONSOLE-ROLE" in text(bert) and "操作員" in text(bert))
    step("auditor-signs-in", sign_in(lin, "audit-lin", PASSWORD))
    lin.open(address("/console/audit/npc/verify"))
    step("auditor-verifies-the-chain", "首尾相連" in text(lin) and "incident-approve" in text(lin), text(lin)[:200])
    lin.open(address("/console/audit/operators"))
    step("the-log-tells-who-was-refused", "access-refused" in text(lin) and "ca-bert" in text(lin))

    pages = ["/console/", "/console/authority", "/console/ceremonies", "/console/issuance", "/console/status", "/console/incidents", "/console/approvals"]
    found = complaints(anna, pages) + complaints(lin, ["/console/audit", "/console/audit/npc", "/console/chip-types", "/console/operators", "/console/password"])
    step("accessible", not found, "; ".join(found[:6]))
    for name, path in (("home", "/console/"), ("authority", "/console/authority"), ("incidents", "/console/incidents"), ("status", "/console/status")):
        pictures(anna, name, path)
    pictures(lin, "audit", "/console/audit/npc")
    pictures(lin, "chip-types", "/console/chip-types")
    refused = [v for browser in (anna, bert, lin) for v in violations(browser)]
    step("nothing-from-elsewhere-nothing-blocked", not refused, "; ".join(refused[:3]))
    # A judge that cannot say no is no judge: script put into the page is blocked by the policy.
    anna.js("(s => { s.textContent = 'window.ran = 1'; document.body.append(s) })(document.createElement('script'))")
    step("policy-blocks-script", anna.js("window.ran === undefined"))
    anna.tab_to("e.tagName === 'BUTTON' && e.classList.contains('plain')")
    anna.enter()
    anna.open(address("/console/authority"))
    step("signed-out", anna.js("location.pathname") == "/console/sign-in")
    for _ in range(3):
        sign_in(anna, "ca-anna", "Lz8?river-Stone-9")
    step("three-failures-lock", not sign_in(anna, "ca-anna", PASSWORD) and "鎖定" in text(anna))
    pictures(anna, "sign-in", "/console/sign-in")
finally:
    for browser in (anna, bert, lin):
        browser.close()
with urllib.request.urlopen(address("/metrics"), timeout=20) as answer:
    figures = answer.read().decode()
bad = [line for line in figures.splitlines() if line and not line.startswith("#") and not re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\})? -?[0-9.]+', line)]
step("figures-in-prometheus-text", not bad and "neweid_certificates_known" in figures, str(bad[:3]))
sys.exit(failed)
