"""Records ARI and AMI while a command runs. Python's standard library only; see capture.sh."""

import argparse
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

DISCONNECTED = b'{"testbed":"disconnected"}'
CONNECTED = b'{"testbed":"connected"}'
SETTLE_SECONDS = 1.0  # what still comes when the last party has gone


def connect(address, timeout=5):
    host, port = address.rsplit(":", 1)
    sock = socket.create_connection((host, int(port)), timeout=timeout)
    return sock


class Lines:
    """A buffered reader that says what is missing when the connection ends."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def exactly(self, count):
        while len(self.buffer) < count:
            self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        taken, self.buffer = self.buffer.split(mark, 1)
        return taken

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("closed by the other side")
        self.buffer += data


class WebSocket:
    """The client half of RFC 6455, as far as Asterisk needs it."""

    def __init__(self, address, path, userinfo):
        self.sock = connect(address)
        self.lines = Lines(self.sock)
        key = base64.b64encode(os.urandom(16)).decode()
        basic = base64.b64encode(userinfo.encode()).decode()
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Basic {basic}\r\n\r\n".encode()
        )
        head = self.lines.until(b"\r\n\r\n").decode("latin-1")
        if " 101 " not in head.split("\r\n", 1)[0] + " ":
            raise ConnectionError("no WebSocket: " + head.split("\r\n", 1)[0])
        self.sock.settimeout(None)

    def send(self, opcode, payload):
        mask = os.urandom(4)
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.sock.sendall(struct.pack("!BB", 0x80 | opcode, 0x80 | len(payload)) + mask + body)

    def message(self):
        """The next text message; pings are answered on the way."""
        whole = b""
        while True:
            first, second = self.lines.exactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self.lines.exactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self.lines.exactly(8))
            payload = self.lines.exactly(length)
            opcode = first & 0x0F
            if opcode == 8:
                raise ConnectionError("closed by the other side")
            if opcode == 9:
                self.send(10, payload)
            elif opcode in (0, 1):
                whole += payload
                if first & 0x80:
                    return whole

    def close(self):
        try:
            self.send(8, struct.pack("!H", 1000))
        except OSError:
            pass
        self.sock.close()


class Recorder(threading.Thread):
    """Keeps one connection open until told to stop, opening it anew when the PBX went away."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.file = open(path, "wb")
        self.up, self.over = threading.Event(), False

    def run(self):
        lost = False
        while not self.over:
            try:
                self.open()
            except OSError as error:
                if not self.up.is_set():
                    print(f"capture: {type(self).__name__}: {error}", file=sys.stderr)
                    self.over = True
                time.sleep(0.1)
                continue
            if lost:
                self.mark(CONNECTED)
            self.up.set()
            try:
                while True:
                    self.one()
            except OSError:
                if not self.over:
                    self.mark(DISCONNECTED)
                    lost = True

    def stop(self):
        self.over = True
        self.close()
        self.join(5)
        self.file.close()


class Ari(Recorder):
    def __init__(self, address, user, path):
        super().__init__(path)
        self.address, self.user, self.socket = address, user, None

    def open(self):
        self.socket = WebSocket(self.address, "/ari/events?app=capture&subscribeAll=true", self.user)

    def one(self):
        frame = self.socket.message()
        event = json.loads(frame)
        if event.get("type") == "ChannelVarset" and event.get("variable", "").startswith("RTPAUDIOQOS"):
            return
        self.file.write(frame.replace(b"\r\n", b"").replace(b"\n", b"") + b"\n")

    def mark(self, what):
        self.file.write(what + b"\n")

    def close(self):
        if self.socket:
            # shutdown wakes the reader, close alone does not
            try:
                self.socket.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Ami(Recorder):
    EVENTS = "system,call,agent,user,dtmf,reporting,cdr"

    def __init__(self, address, user, path):
        super().__init__(path)
        self.address, (self.name, self.secret), self.sock = address, user.split(":", 1), None

    def open(self):
        self.sock = connect(self.address)
        self.lines = Lines(self.sock)
        banner = self.lines.until(b"\r\n")
        self.sock.sendall(
            f"Action: Login\r\nActionID: 1\r\nUsername: {self.name}\r\nSecret: {self.secret}\r\nEvents: {self.EVENTS}\r\n\r\n".encode()
        )
        self.file.write(banner + b"\r\n")
        self.sock.settimeout(None)

    def one(self):
        message = self.lines.until(b"\r\n\r\n")
        if message.startswith((b"Event: RTCPSent", b"Event: RTCPReceived")):
            return
        self.file.write(message + b"\r\n\r\n")

    def mark(self, what):
        self.file.write(b"Testbed: " + (b"disconnected" if what == DISCONNECTED else b"connected") + b"\r\n\r\n")

    def close(self):
        if self.sock:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def snapshot(args):
    time.sleep(args.snapshot_at)
    basic = base64.b64encode(args.ari_user.encode()).decode()
    parts = []
    for what in ("channels", "bridges"):
        request = urllib.request.Request(f"http://{args.ari}/ari/{what}", headers={"Authorization": f"Basic {basic}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            parts.append(f'"{what}":{answer.read().decode()}')
    with open(args.out + ".rest.json", "w", encoding="utf-8") as file:
        file.write("{" + ",\n".join(parts) + "}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ari", "ari-user", "ami", "ami-user", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--snapshot-at", type=float, default=0)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    recorders = [
        Ari(args.ari, args.ari_user, args.out + ".ari.jsonl"),
        Ami(args.ami, args.ami_user, args.out + ".ami.txt"),
    ]
    for recorder in recorders:
        recorder.start()
    for recorder in recorders:
        if not recorder.up.wait(10):
            print(f"capture: {type(recorder).__name__} did not connect; is the PBX running?", file=sys.stderr)
            return 1
    time.sleep(0.3)  # AMI's greeting
    if args.snapshot_at:
        threading.Thread(target=snapshot, args=(args,), daemon=True).start()
    code = subprocess.call(args.command)
    time.sleep(SETTLE_SECONDS)
    for recorder in recorders:
        recorder.stop()
    for kind in (".ari.jsonl", ".ami.txt"):
        with open(args.out + kind, "rb") as file:
            data = file.read()
        unit = data.count(b"\n") if kind == ".ari.jsonl" else data.count(b"\r\n\r\n")
        print(f"{args.out}{kind}: {unit} messages, {len(data)} bytes")
    return code


sys.exit(main())
