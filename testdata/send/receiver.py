#!/usr/bin/env python3
"""receiver.py - answers as Slack and Loki do and writes what it got, a line a request: PATH TEXT. In: port file, output file."""
import gzip
import http.server
import json
import os
import sys

out = open(sys.argv[2], "a", encoding="utf-8")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw)
        told = [body["text"]] if "text" in body else sorted(
            json.loads(v[1])["event"] + " " + json.loads(v[1])["rule"] for s in body["streams"] for v in s["values"])
        for t in told:
            out.write("%s %s\n" % (self.path.split("/")[1], t))
        out.flush()
        text = b"ok" if "text" in body else b""
        self.send_response(200 if text else 204)
        if text:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w") as f:
    f.write("%d\n" % server.server_address[1])
os.replace(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
