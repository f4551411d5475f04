"""Gives an access token to whoever asks, in place of Google's issuer: `python token_issuer.py PORT`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Issuer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"access_token": "token", "token_type": "Bearer", "expires_in": 3600}).encode())


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), _Issuer).serve_forever()
