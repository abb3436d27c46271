"""A second program on the same card: connects to the reader shared and sends SIGN again and again, without any PIN. It fails
when the card ever signs for it. Speaks to libpcsclite itself, so that nothing stands between.

    thief.py READER READY-FILE STOP-FILE
"""

import ctypes
import os
import sys

READER, READY, STOP = sys.argv[1:]
SHARED, ANY, RESET_CARD, LEAVE_CARD = 2, 3, 0x80100068, 0
SIGN = bytes([0x80, 0x68, 0x03, 0x70, 0x20]) + bytes(32) + b"\0"

library = ctypes.CDLL("libpcsclite.so.1")


class Pci(ctypes.Structure):
    _fields_ = [("protocol", ctypes.c_ulong), ("length", ctypes.c_ulong)]


def call(name, *arguments):
    return getattr(library, name)(*arguments) & 0xFFFFFFFF


context, card, protocol = ctypes.c_long(), ctypes.c_long(), ctypes.c_ulong()
if call("SCardEstablishContext", ctypes.c_ulong(0), None, None, ctypes.byref(context)):
    sys.exit("no pcscd")
names = ctypes.create_string_buffer(4096)
length = ctypes.c_ulong(len(names))
call("SCardListReaders", context, None, names, ctypes.byref(length))
readers = [name for name in names.raw[: length.value].split(b"\0") if name]
reader = next(name for name in readers if name.startswith(READER.encode()))
code = call("SCardConnect", context, reader, ctypes.c_ulong(SHARED), ctypes.c_ulong(ANY), ctypes.byref(card), ctypes.byref(protocol))
if code:
    sys.exit(f"not connected: {code:08X}")
open(READY, "w").close()

sent = answered = stolen = 0
while not os.path.exists(STOP):
    pci = Pci(protocol.value, ctypes.sizeof(Pci))
    answer = ctypes.create_string_buffer(512)
    length = ctypes.c_ulong(len(answer))
    code = call("SCardTransmit", card, ctypes.byref(pci), SIGN, ctypes.c_ulong(len(SIGN)), None, answer, ctypes.byref(length))
    sent += 1
    if code == RESET_CARD:
        call("SCardReconnect", card, ctypes.c_ulong(SHARED), ctypes.c_ulong(ANY), ctypes.c_ulong(LEAVE_CARD), ctypes.byref(protocol))
    elif code == 0:
        answered += 1
        if answer.raw[length.value - 2 : length.value] == b"\x90\x00":
            stolen += 1
print(f"{sent} commands sent, {answered} answered, {stolen} signatures stolen")
sys.exit(1 if stolen or not answered else 0)
