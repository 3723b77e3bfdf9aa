#!/usr/bin/env python3
"""catcher.py - a webhook that writes down what it is told: catcher.py FOLDER [PORT [SECONDS]].

Out: FOLDER/port once it listens on 127.0.0.1; FOLDER/asked, a line a request, when it was read; then, SECONDS later, the
answer 200 and FOLDER/got: webhook-id, a space, the body. `catcher.py --port` prints a port at which nobody listens.
"""
import http.server
import os
import socket
import sys
import time

if sys.argv[1] == "--port":
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        print(s.getsockname()[1])
    sys.exit()
folder = sys.argv[1]
port, wait = int((sys.argv[2:3] or ["0"])[0]), float((sys.argv[3:4] or ["0"])[0])


def note(name, text):
    with open(f"{folder}/{name}", "a") as f:
        f.write(text + "\n")


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        note("asked", self.headers["webhook-id"])
        time.sleep(wait)
        note("got", self.headers["webhook-id"] + " " + body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Hook)
with open(f"{folder}/port.new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(f"{folder}/port.new", f"{folder}/port")
server.serve_forever()
