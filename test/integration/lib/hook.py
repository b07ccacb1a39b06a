# SPDX-License-Identifier: Apache-2.0
"""A webhook's other end: takes POSTs, remembers those it accepted, and answers as it is told.

    with Hook() as hook:
        hook.answer = lambda request: 503       # a status, (status, headers), or None: hang up without an answer
        registry = Registry("--notify", "h=" + hook.url)
"""

import http.server
import json
import ssl
import threading


class Request:
    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Hook:
    def __init__(self, port=0, certificate=None):
        self.answer = lambda request: 204
        self.tried = []  # every request, in order
        self.taken = []  # those that were answered with 2xx
        self.lock = threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook._take(self, Request(self.path, self.headers, body))

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # whoever posts may be killed

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = "%s://127.0.0.1:%d/hook" % (scheme, self.port)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def _take(self, handler, request):
        with self.lock:
            self.tried.append(request)
            answer = self.answer(request)
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            if status and 200 <= status < 300:
                self.taken.append(request)
        if not status:
            handler.close_connection = True
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", "0")
        handler.end_headers()

    def events(self):
        """Of all requests that were taken: single events, batches and envelopes made one list."""
        found = []
        with self.lock:
            for request in self.taken:
                said = request.json
                found += said if isinstance(said, list) else said["events"] if "events" in said else [said]
        return found

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
