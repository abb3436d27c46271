"""Drives an unmodified AusweisApp2 through its WebSocket interface (BSI TR-03124-2), with Python's own library alone.

client.py OUT SCENE...    one process of AusweisApp2 for all scenes of one insertion of a card

A scene is a word and its arguments, joined by commas:
  reader,COUNTER             the card is shown with this retry counter
  deactivated                the card is shown with PIN1 deactivated
  change,OLD,NEW             CHANGE_PIN succeeds
  can,CAN,OLD,NEW            CHANGE_PIN asks for the access number first, then succeeds
  wrong,PIN,COUNTER          a wrong PIN is refused and leaves this counter
  wrongcan,CAN,PIN,COUNTER   the access number, then a wrong PIN
  puk                        CHANGE_PIN asks for the PUK: the card is blocked
  none,READER                the card in this reader is looked at and found to be no eID card
It prints nothing when all goes as expected; otherwise what was expected and what came, and fails.
"""

import base64
import glob
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

# Seconds for one answer. Nothing waits this long on a machine at rest.
PATIENCE = 120


class Unexpected(Exception):
    pass


class NotScanning(Exception):
    """It looks for no readers: it was asked before it had finished its own start, and never begins."""


class WebSocket:
    """A client of RFC 6455 for text messages."""

    def __init__(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.socket.sendall(request.encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self._some()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise Unexpected(f"no WebSocket: {head[:80]!r}")

    def _some(self):
        data = self.socket.recv(65536)
        if not data:
            raise Unexpected("AusweisApp2 closed the connection")
        return data

    def _take(self, count):
        while len(self.buffer) < count:
            self.buffer += self._some()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        length = len(data)
        head = b"\x81" + (bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack(">H", length))
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self):
        text = b""
        while True:
            first, second = self._take(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._take(8))
            data = self._take(length)
            if first & 0x0F == 8:
                raise Unexpected("AusweisApp2 closed the WebSocket")
            if first & 0x0F in (0, 1):
                text += data
                if first & 0x80:
                    return text.decode()


class Client:
    """One AusweisApp2 and what it says."""

    def __init__(self, out):
        self.out = out
        self.log = open(os.path.join(out, "messages.log"), "a", encoding="utf-8")
        home = tempfile.mkdtemp(prefix="home-", dir=out)
        runtime = tempfile.mkdtemp(prefix="run-", dir=out)
        os.chmod(runtime, 0o700)
        environment = dict(
            os.environ, HOME=home, XDG_RUNTIME_DIR=runtime, TMPDIR=runtime, QT_QPA_PLATFORM="offscreen", LANG="C.UTF-8"
        )
        self.said = os.path.join(out, "ausweisapp.log")
        # Only what was started here is stopped here.
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(
                ["AusweisApp2", "--ui", "websocket", "--port", "0", "--no-logfile"],
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        try:
            self.socket = WebSocket(self._port(runtime), "/eID-Kernel")
        except BaseException:
            self.stop()
            raise

    def _port(self, runtime):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Unexpected(f"AusweisApp2 ended with {self.process.returncode}")
            for name in glob.glob(os.path.join(runtime, "AusweisApp2.*.port")):
                with open(name, encoding="ascii") as file:
                    text = file.read().strip()
                # It listens before it knows its kinds of readers; asked then, it may never look for one.
                if re.fullmatch(r"\d+", text) and "Update cache entry: PCSC" in self.words():
                    return int(text)
            time.sleep(0.1)
        raise Unexpected("AusweisApp2 opened no port")

    def words(self):
        """What the program has said."""
        with open(self.said, encoding="utf-8", errors="replace") as file:
            return file.read()

    def send(self, cmd, **values):
        shown = {key: "***" if key == "value" else value for key, value in values.items()}
        self.log.write(f"> {json.dumps({'cmd': cmd, **shown})}\n")
        self.socket.send(json.dumps({"cmd": cmd, **values}))

    def receive(self):
        message = json.loads(self.socket.receive())
        self.log.write(f"< {json.dumps(message)}\n")
        self.log.flush()
        return message

    def until(self, *names):
        """The next message of one of these names; others (STATUS, READER) are passed over."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self.receive()
            if message.get("msg") in names:
                return message
            if message.get("msg") in ("INTERNAL_ERROR", "UNKNOWN_COMMAND", "BAD_STATE", "INVALID"):
                raise Unexpected(f"expected {names}, got {message}")
        raise Unexpected(f"expected {names} within {PATIENCE} s")

    def card(self, wanted):
        """Waits until a reader shows a card that `wanted` accepts."""
        end, last, nothing = time.monotonic() + PATIENCE, None, 0
        self.send("GET_READER_LIST")
        while time.monotonic() < end:
            message = self.receive()
            readers = message.get("readers") or message.get("reader") or [message]
            for reader in readers if isinstance(readers, list) else [readers]:
                card = reader.get("card") if isinstance(reader, dict) else None
                if card:
                    last = card
                    if wanted(card):
                        return card
            if message.get("msg") == "READER_LIST":
                nothing = self.again(readers, nothing)
        raise Unexpected(f"the card is shown as {last}")

    def again(self, readers, nothing):
        """Asks once more. Its built-in simulator is a reader too: where there is none for long, it does not look."""
        nothing = 0 if readers and readers[0].get("name") else nothing + 1
        if nothing > 20:
            raise NotScanning()
        time.sleep(0.3)
        self.send("GET_READER_LIST")
        return nothing

    def no_card(self, name):
        """Waits until a reader is announced, which comes after its card was looked at, and has nothing to show."""
        end, nothing = time.monotonic() + PATIENCE, 0
        self.send("GET_READER_LIST")
        while time.monotonic() < end:
            message = self.receive()
            readers = message.get("readers") or [message]
            for reader in readers:
                if reader.get("name") != name:
                    continue
                if reader.get("card"):
                    raise Unexpected(f"the card is shown as {reader['card']}")
                text = self.words()
                # It found the public zone, so it did look; and nothing with PIN1.
                if "Passport found" in text and "Not a German EID card" in text:
                    return
                raise Unexpected("it did not look at the card")
            if message.get("msg") == "READER_LIST":
                nothing = self.again(readers, nothing)
        raise Unexpected(f"{name} is not announced")

    def stop(self):
        for one in (signal.SIGTERM, signal.SIGKILL):
            self.process.send_signal(one)
            try:
                self.process.wait(timeout=10)
                return
            except subprocess.TimeoutExpired:
                pass


def counter_of(message):
    return ((message.get("reader") or {}).get("card") or {}).get("retryCounter")


def change(client, old, new, can=None):
    client.send("RUN_CHANGE_PIN")
    asked = client.until("ENTER_PIN", "ENTER_CAN", "ENTER_PUK")
    if can is not None:
        if asked["msg"] != "ENTER_CAN":
            raise Unexpected(f"the access number was not asked for, but {asked['msg']}")
        client.send("SET_CAN", value=can)
        asked = client.until("ENTER_PIN", "ENTER_CAN", "ENTER_PUK")
    if asked["msg"] != "ENTER_PIN":
        raise Unexpected(f"PIN1 was not asked for, but {asked['msg']}")
    client.send("SET_PIN", value=old)
    if new is None:
        return client.until("ENTER_PIN", "ENTER_CAN", "ENTER_PUK", "ENTER_NEW_PIN")
    asked = client.until("ENTER_NEW_PIN", "ENTER_PIN", "ENTER_CAN", "ENTER_PUK")
    if asked["msg"] != "ENTER_NEW_PIN":
        raise Unexpected(f"the PIN was refused: {asked['msg']}")
    client.send("SET_NEW_PIN", value=new)
    done = client.until("CHANGE_PIN", "ENTER_PIN", "ENTER_CAN", "ENTER_PUK")
    if done.get("success") is not True:
        raise Unexpected(f"CHANGE_PIN did not succeed: {done}")
    return done


def cancel(client):
    client.send("CANCEL")
    while "success" not in client.until("CHANGE_PIN"):
        pass


def refused(client, asked, counter):
    if asked["msg"] == "ENTER_NEW_PIN":
        raise Unexpected("a wrong PIN was accepted")
    found = counter_of(asked)
    if found != counter:
        raise Unexpected(f"counter {counter} expected after a wrong PIN, {found} shown")
    expected = {2: "ENTER_PIN", 1: "ENTER_CAN", 0: "ENTER_PUK"}[counter]
    if asked["msg"] != expected:
        raise Unexpected(f"{expected} expected next, got {asked['msg']}")
    cancel(client)


def play(client, scene):
    word, *arguments = scene.split(",")
    if word == "reader":
        client.card(lambda card: card.get("retryCounter") == int(arguments[0]) and not card.get("deactivated"))
    elif word == "deactivated":
        client.card(lambda card: card.get("deactivated") is True)
    elif word == "change":
        change(client, *arguments)
    elif word == "can":
        can, old, new = arguments
        change(client, old, new, can)
    elif word == "wrong":
        refused(client, change(client, arguments[0], None), int(arguments[1]))
    elif word == "wrongcan":
        refused(client, change(client, arguments[1], None, arguments[0]), int(arguments[2]))
    elif word == "none":
        client.no_card(arguments[0])
    elif word == "puk":
        client.send("RUN_CHANGE_PIN")
        asked = client.until("ENTER_PUK", "ENTER_PIN", "ENTER_CAN")
        if asked["msg"] != "ENTER_PUK":
            raise Unexpected(f"a blocked card is asked for {asked['msg']}")
        cancel(client)
    else:
        raise Unexpected(f"no such scene: {word}")


def main():
    out, scenes = sys.argv[1], sys.argv[2:]
    os.makedirs(out, exist_ok=True)
    # Also when the patience of whoever started this ends, nothing stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    client = None
    try:
        for scene in scenes:
            for attempt in range(3):
                client = client or Client(out)
                try:
                    play(client, scene)
                    break
                except NotScanning:
                    # Nothing has reached the card: begin anew.
                    client.stop()
                    client = None
            else:
                raise Unexpected(f"it looks for no readers after {attempt + 1} starts")
    except (Unexpected, OSError) as error:
        sys.exit(f"{scene.split(',')[0]}: {error}")
    finally:
        if client:
            client.stop()


main()
