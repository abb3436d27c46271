"""Drives Chromium over its DevTools protocol with nothing but Python's own library."""

import base64
import json
import os
import socket
import struct
import subprocess
import time
import urllib.request

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--hide-scrollbars"]


class Browser:
    """A browser with a fresh profile and one page."""

    def __init__(self, profile, log):
        self.process = subprocess.Popen(["chromium", *OPTIONS, f"--user-data-dir={profile}", "about:blank"], stdout=log, stderr=log)
        port_file = os.path.join(profile, "DevToolsActivePort")
        for _ in range(600):
            if os.path.exists(port_file) and open(port_file).read().count("\n") >= 1:
                break
            if self.process.poll() is not None:
                raise SystemExit("chromium ended at once")
            time.sleep(0.1)
        port = open(port_file).read().split("\n")[0]
        # It listens before it lists its first page.
        for _ in range(600):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=60) as answer:
                target = next((t for t in json.load(answer) if t["type"] == "page"), None)
            if target:
                break
            time.sleep(0.1)
        else:
            raise SystemExit("chromium has no page")
        path = target["webSocketDebuggerUrl"].split(port, 1)[1]
        self.socket = socket.create_connection(("127.0.0.1", int(port)), timeout=120)
        self.buffer, self.number, self.events = b"", 0, []
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise SystemExit(head.decode())
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        # The load of the empty page is not that of the first one asked for.
        for _ in range(600):
            if self.js("document.readyState") == "complete":
                break
            time.sleep(0.1)

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit("chromium closed the connection")
        self.buffer += data

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _frame(self):
        first, second = self._take(2)
        size = second & 127
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        return first & 128, self._take(size)

    def _message(self):
        text = b""
        while True:
            last, part = self._frame()
            text += part
            if last:
                return json.loads(text)

    def call(self, method, **params):
        """Sends a command and gives its result; events that come meanwhile are kept."""
        self.number += 1
        text = json.dumps({"id": self.number, "method": method, "params": params}).encode()
        size = len(text)
        head = bytes([0x81]) + (bytes([128 | size]) if size < 126 else
                                bytes([128 | 126]) + struct.pack(">H", size) if size < 65536 else
                                bytes([128 | 127]) + struct.pack(">Q", size))
        mask = os.urandom(4)
        self.socket.sendall(head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(text)))
        while True:
            message = self._message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def _wait(self, name):
        while True:
            for place, event in enumerate(self.events):
                if event.get("method") == name:
                    del self.events[place]
                    return event
            self.events.append(self._message())

    def open(self, url):
        self._forget("Page.loadEventFired")
        self.call("Page.navigate", url=url)
        self._wait("Page.loadEventFired")

    def _forget(self, name):
        self.events = [event for event in self.events if event.get("method") != name]

    def js(self, text):
        """The value of an expression."""
        result = self.call("Runtime.evaluate", expression=text, returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"script: {result['exceptionDetails']}")
        return result["result"].get("value")

    def key(self, name, code, text=None):
        both = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **both, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **both)

    def tab(self):
        self.key("Tab", 9)

    def enter(self):
        """Enter, where it leads to another page."""
        self._forget("Page.loadEventFired")
        self.key("Enter", 13, "\r")
        self._wait("Page.loadEventFired")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def tab_to(self, condition, most=80):
        """Tab until the focused element fulfils the condition, as somebody without a mouse does."""
        for _ in range(most):
            self.tab()
            if self.js(f"(e => {condition})(document.activeElement)"):
                # Whoever goes by keyboard must see where they are.
                if not self.js("(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))"):
                    raise SystemExit(f"focus cannot be seen on {self.js('document.activeElement.outerHTML')}")
                return
        raise SystemExit(f"not reached by keyboard: {condition} on {self.js('location.href')}")

    def look(self, width, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=1400, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
