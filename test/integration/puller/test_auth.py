# SPDX-License-Identifier: Apache-2.0
"""Who one is at a registry, and to whom one does not say it."""
import base64
import json
import os
from urllib.parse import parse_qs

import harness
from fake_registry import digest_of
from harness import DENIED, MALFORMED, MISMATCH, UNREACHABLE, noise

REPO, TAG = "team/app", "t"


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class AuthTest(harness.PullTest):
    def setUp(self):
        super().setUp()
        self.layers = [noise(3000, i) for i in range(6)]
        self.image = self.registry.add_image(REPO, TAG, self.layers)

    def log_in(self, entry, host=None, name="config.json", where=".docker"):
        os.makedirs(os.path.join(self.home, where), exist_ok=True)
        with open(os.path.join(self.home, where, name), "w") as f:
            json.dump({"auths": {host or self.registry.host: entry}}, f)

    def log_in_as(self, user, password, **more):
        self.log_in({"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}, **more)

    def want_authorization(self, good, challenge):
        """Every request needs `good` (a value, or a function of it)."""
        def hook(h):
            value = h.seen.headers.get("authorization")
            if good(value) if callable(good) else value == good:
                return False
            return h.error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        self.registry.before.append(hook)


class Basic(AuthTest):
    CHALLENGE = 'Basic realm="here"'

    def test_good(self):
        self.want_authorization(basic("u", "p:w"), self.CHALLENGE)
        self.log_in_as("u", "p:w")
        self.pull(self.ref(f"{REPO}:{TAG}"))
        # Asked once, remembered for the rest.
        challenged = [r for r in self.registry.requests(part=f"/{REPO}/") if "authorization" not in r.headers]
        self.assertEqual(len(challenged), 1)

    def test_wrong_password_is_not_tried_again(self):
        self.want_authorization(basic("u", "right"), self.CHALLENGE)
        self.log_in_as("u", "wrong")
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED, says="authentication required")
        self.assertEqual(len(self.registry.requests(part=f"/{REPO}/")), 2)

    def test_none_known(self):
        self.want_authorization(basic("u", "p"), self.CHALLENGE)
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED, says="none are known")

    def test_not_sent_unasked(self):
        self.log_in_as("u", "p")
        self.pull(self.ref(f"{REPO}:{TAG}"))
        for r in self.registry.requests():
            self.assertNotIn("authorization", r.headers)

    def test_of_another_host(self):
        self.want_authorization(basic("u", "p"), self.CHALLENGE)
        self.log_in_as("u", "p", host="127.0.0.1:1")
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED)
        for r in self.registry.requests():
            self.assertNotIn("authorization", r.headers)

    def test_other_places(self):
        self.want_authorization(basic("u", "p"), self.CHALLENGE)
        self.log_in_as("u", "p", where="elsewhere", name="auth.json")
        path = os.path.join(self.home, "elsewhere", "auth.json")
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED)
        self.pull(self.ref(f"{REPO}:{TAG}"), env={"REGISTRY_AUTH_FILE": path})
        self.log_in_as("u", "p", where="d", name="config.json")
        self.pull(self.ref(f"{REPO}:{TAG}"), env={"DOCKER_CONFIG": os.path.join(self.home, "d")})
        self.log_in_as("u", "p", where="run/containers", name="auth.json")
        self.pull(self.ref(f"{REPO}:{TAG}"), env={"XDG_RUNTIME_DIR": os.path.join(self.home, "run")})

    def test_no_home_to_speak_of(self):
        self.registry.add_image("public", "t", [])
        for home in ("/dev/null", os.path.join(self.dir, "nowhere"), ""):
            self.pull(self.ref("public:t"), env={"HOME": home})
        self.pull(self.ref("public:t"), env={"REGISTRY_AUTH_FILE": "/dev/null/x"}, status=harness.FAILURE,
                  says="/dev/null/x")

    def test_broken_files_are_told(self):
        self.log_in({"auth": "no base64!"})
        self.want_authorization(basic("u", "p"), self.CHALLENGE)
        self.pull(self.ref(f"{REPO}:{TAG}"), status=MALFORMED, says="expected base64")
        with open(os.path.join(self.home, ".docker", "config.json"), "w") as f:
            f.write("{")
        self.pull(self.ref(f"{REPO}:{TAG}"), status=MALFORMED, says="config.json")
        self.pull(self.ref(f"{REPO}:{TAG}"), status=harness.NOT_FOUND, says="nowhere.json",
                  env={"REGISTRY_AUTH_FILE": os.path.join(self.home, "nowhere.json")})

    def test_credential_helper(self):
        self.want_authorization(basic("helped", self.registry.host), self.CHALLENGE)
        os.mkdir(os.path.join(self.home, "bin"))
        helper = os.path.join(self.home, "bin", "docker-credential-test")
        with open(helper, "w") as f:
            f.write('#!/bin/sh\nread s\n[ "$1" = get ] && printf \'{"Username":"helped","Secret":"%s"}\' "$s"\n')
        os.chmod(helper, 0o755)
        os.mkdir(os.path.join(self.home, ".docker"))
        with open(os.path.join(self.home, ".docker", "config.json"), "w") as f:
            json.dump({"credHelpers": {self.registry.host: "test"}}, f)
        path = os.path.join(self.home, "bin") + ":" + os.environ["PATH"]
        self.pull(self.ref(f"{REPO}:{TAG}"), env={"PATH": path})
        for complaint, says in (("", "ended with a failure\n"), ("the box is locked\nreally\n", ": the box is locked\n")):
            with open(helper, "w") as f:
                f.write("#!/bin/sh\nprintf '%s'\nexit 1\n" % complaint)
            self.pull(self.ref(f"{REPO}:{TAG}"), env={"PATH": path}, status=harness.FAILURE, says=says)


class Bearer(AuthTest):
    """The registry has a token server beside it."""

    def setUp(self):
        super().setUp()
        self.tokens = self.new_registry()
        self.given = []
        self.answer = {}
        self.good = set()
        self.tokens.before.append(self.give_token)
        self.challenge = f'Bearer realm="{self.tokens.url}/token?x=1",service="the registry",' \
                         f'scope="repository:{REPO}:pull"'
        self.want_authorization(lambda v: v in self.good, self.challenge)

    def give_token(self, h):
        token = f"token{len(self.given)}"
        self.given.append(h.seen)
        self.good.add("Bearer " + token)
        return h.reply(200, json.dumps(self.answer or {"token": token, "expires_in": 300}).encode())

    def test_anonymous(self):
        self.pull(self.ref(f"{REPO}:{TAG}"))
        self.assertEqual(len(self.given), 1)
        asked = self.given[0]
        self.assertEqual(asked.method, "GET")
        self.assertNotIn("authorization", asked.headers)
        self.assertEqual(parse_qs(asked.query), {"x": ["1"], "client_id": ["loci"], "service": ["the registry"],
                                                 "scope": [f"repository:{REPO}:pull"]})

    def test_access_token(self):
        self.answer = {"access_token": "token0"}
        self.pull(self.ref(f"{REPO}:{TAG}"))

    def test_with_credentials(self):
        self.log_in_as("u", "p")
        self.pull(self.ref(f"{REPO}:{TAG}"))
        self.assertEqual(self.given[0].headers["authorization"], basic("u", "p"))
        for r in self.registry.requests():
            self.assertNotIn("Basic", r.headers.get("authorization", ""))

    def test_identity_token(self):
        self.log_in({"auth": "", "identitytoken": "re&fresh"})
        self.pull(self.ref(f"{REPO}:{TAG}"))
        self.assertEqual(self.given[0].method, "POST")
        form = parse_qs(self.given[0].body.decode())
        self.assertEqual(form["grant_type"], ["refresh_token"])
        self.assertEqual(form["refresh_token"], ["re&fresh"])
        self.assertEqual(form["scope"], [f"repository:{REPO}:pull"])

    def test_several_challenges_in_several_fields(self):
        self.registry.before.clear()
        self.want_authorization(lambda v: v in self.good,
                                ['Negotiate, Basic realm="a, Bearer realm=\\"http://evil/\\""', self.challenge])
        self.pull(self.ref(f"{REPO}:{TAG}"))

    def test_expires_on_the_way(self):
        uses = {}

        def expire(h):
            value = h.seen.headers.get("authorization")
            with self.registry.lock:
                uses[value] = uses.get(value, 0) + 1
                if uses[value] == 3:
                    self.good.discard(value)
            return False
        self.registry.before.insert(0, expire)
        self.pull("--parallel", "1", self.ref(f"{REPO}:{TAG}"))
        self.assertGreater(len(self.given), 2)
        for layer in self.layers:
            self.assert_blob(digest_of(layer), layer)

    def test_one_dance_for_all_threads(self):
        """The token ends while all workers use it: one new one, not one for each."""
        def expire(h):
            if h.is_blob():
                self.good.discard("Bearer token0")
            return False
        self.registry.before.insert(0, expire)
        self.pull("--parallel", "6", self.ref(f"{REPO}:{TAG}"))
        self.assertEqual(len(self.given), 2)

    def test_token_that_does_not_help(self):
        self.answer = {"token": "useless"}
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED, says="authentication required")
        self.assertEqual(len(self.given), 1)

    def test_token_server_refuses(self):
        self.tokens.before[:] = [lambda h: h.error(401, "UNAUTHORIZED", "no")]
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED, says="no credentials are known")

    def test_token_server_is_busy(self):
        failures = [503, 429, 502]

        def busy(h):
            return h.reply(failures.pop(), headers={"Retry-After": "0"}) if failures else False
        self.tokens.before.insert(0, busy)
        self.pull(self.ref(f"{REPO}:{TAG}"), retries=5)
        self.assertEqual(failures, [])

    def test_token_server_stays_away(self):
        self.tokens.before[:] = [lambda h: h.reply(503)]
        self.pull(self.ref(f"{REPO}:{TAG}"), status=UNREACHABLE, says="status 503")
        self.assertEqual(len(self.tokens.requests()), 3)

    def test_rubbish_from_the_token_server(self):
        for body in (b"", b"{}", b"[]", b'{"token":1}', b'{"token":"a\\r\\nX: y"}', b"x" * 2_000_000):
            self.tokens.before[:] = [lambda h, body=body: h.reply(200, body)]
            status = MISMATCH if len(body) < 1_000_000 else harness.FAILURE
            self.pull(self.ref(f"{REPO}:{TAG}"), status=status)

    def test_rubbish_challenges(self):
        for challenge in ("", "Bearer", 'Bearer service="x"', 'Bearer realm="', "@", 'Bearer realm="file:///etc/passwd"',
                          'Bearer realm="http://192.0.2.1/token"', "Digest realm=x", "A, " * 20, "x" * 20_000):
            self.registry.before.clear()
            self.want_authorization("never", challenge)
            done = self.run_pull(self.ref(f"{REPO}:{TAG}"))
            self.assertIn(done.returncode, (DENIED, MISMATCH), done.stderr)
        self.assertEqual(self.given, [])

    def test_token_server_redirects(self):
        """The password goes to the realm's origin, not to where that one points."""
        other = self.new_registry()
        other.before.append(lambda h: h.reply(200, json.dumps({"token": "token0"}).encode()))
        self.good.add("Bearer token0")
        self.tokens.before[:] = [lambda h: h.reply(307, headers={"Location": other.url + "/elsewhere"})]
        self.log_in_as("u", "p")
        self.pull(self.ref(f"{REPO}:{TAG}"))
        self.assertEqual(self.tokens.requests()[0].headers["authorization"], basic("u", "p"))
        self.assertNotIn("authorization", other.requests()[0].headers)


class Redirects(AuthTest):
    def setUp(self):
        super().setUp()
        self.cdn = self.new_registry()
        self.cdn.blobs = self.registry.blobs
        self.log_in_as("u", "p")
        self.want_authorization(basic("u", "p"), 'Basic realm="here"')

    def send_away(self, to):
        def hook(h):
            if not h.is_blob():
                return False
            return h.reply(307, headers={"Location": to(h.seen.path)})
        self.registry.before.append(hook)

    def test_other_host_gets_no_credentials(self):
        self.send_away(lambda path: self.cdn.url + path + "?signature=secret")
        self.pull(self.ref(f"{REPO}:{TAG}"))
        fetched = self.cdn.requests("GET")
        self.assertEqual(len(fetched), len(self.layers) + 1)
        for r in fetched:
            self.assertNotIn("authorization", r.headers)
            self.assertEqual(r.query, "signature=secret")

    def test_back_home_without_credentials(self):
        """A stranger must not choose what our credentials are sent to."""
        self.send_away(lambda path: self.cdn.url + path)
        self.cdn.before.append(lambda h: h.reply(302, headers={"Location": self.registry.url + "/v2/secret"}))
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED, says="after a redirect")
        for r in self.registry.requests(part="/v2/secret"):
            self.assertNotIn("authorization", r.headers)

    def test_same_host_keeps_them(self):
        self.send_away(lambda path: "/moved" + path)
        self.registry.before.append(
            lambda h: h.seen.path.startswith("/moved") and
            self.registry.send_blob(h, self.registry.blobs[h.seen.path.split("/")[-1]]))
        self.registry.before[1], self.registry.before[2] = self.registry.before[2], self.registry.before[1]
        self.pull(self.ref(f"{REPO}:{TAG}"))
        for r in self.registry.requests(part="/moved"):
            self.assertEqual(r.headers["authorization"], basic("u", "p"))

    def test_storage_says_401(self):
        self.send_away(lambda path: self.cdn.url + path)
        self.cdn.before.append(lambda h: h.reply(401, headers={"WWW-Authenticate": 'Basic realm="mine"'}))
        self.pull(self.ref(f"{REPO}:{TAG}"), status=DENIED)
        for r in self.cdn.requests():
            self.assertNotIn("authorization", r.headers)

    def test_bad_places(self):
        for place in ("file:///etc/passwd", "ftp://127.0.0.1/x", "", "http://", "gopher://127.0.0.1:70/_"):
            del self.registry.before[1:]
            self.send_away(lambda path, place=place: place)
            self.pull(self.ref(f"{REPO}:{TAG}"), status=MISMATCH)

    def test_in_circles(self):
        self.send_away(lambda path: path)
        self.pull(self.ref(f"{REPO}:{TAG}"), "--parallel", "1", status=MISMATCH, says="more than 10 redirects")
        self.assertLess(len(self.registry.requests("GET", "/blobs/")), 14)


class Tls(AuthTest):
    def setUp(self):
        super().setUp()
        self.secure = self.new_registry(tls=True)
        self.secure.blobs, self.secure.manifests = self.registry.blobs, self.registry.manifests

    def test_unknown_certificate(self):
        self.pull(self.ref(f"{REPO}:{TAG}", self.secure), status=UNREACHABLE, says="certificate")
        self.assertEqual(self.secure.requests(), [])

    def test_insecure(self):
        self.pull("--insecure", self.ref(f"{REPO}:{TAG}", self.secure))

    def test_insecure_without_tls(self):
        self.pull("--insecure", self.ref(f"{REPO}:{TAG}"))

    def test_no_way_down(self):
        """https never turns into http, however insecure the certificate may be."""
        self.secure.before.append(
            lambda h: h.is_blob() and h.reply(307, headers={"Location": self.registry.url + h.seen.path}))
        self.pull("--insecure", self.ref(f"{REPO}:{TAG}", self.secure), status=MISMATCH, says="leaves https for http")
        self.assertEqual(self.registry.requests(part="/blobs/"), [])

    def test_realm_without_tls(self):
        self.log_in_as("u", "p", host=self.secure.host)
        self.secure.before.append(lambda h: h.is_manifest() and h.reply(
            401, headers={"WWW-Authenticate": f'Bearer realm="{self.registry.url}/token"'}))
        self.pull("--insecure", self.ref(f"{REPO}:{TAG}", self.secure), status=MISMATCH, says="expected https")
        self.assertEqual(self.registry.requests(), [])


if __name__ == "__main__":
    harness.main()
