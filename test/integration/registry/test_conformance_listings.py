# SPDX-License-Identifier: Apache-2.0
"""spec.md "Listing Tags", "Listing Referrers" and "Referrers Tag Schema", and the catalog beside them."""

import json
import re
import unittest

from conformance import EXAMPLE, TestCase, artifact, image, index
from ociregistry import OCI_INDEX, OCI_MANIFEST, digest_of

HIDDEN = "application/vnd.example.hidden+json"


class ListingCase(TestCase):
    OPTIONS = ("--list-max=7",)

    def page(self, path, key):
        """What is in it, and the path of the next one, or None."""
        answer = self.expect(200, "GET", path)
        head = self.expect(200, "HEAD", path)
        self.assertEqual((head.body, head.header("content-length")), (b"", str(len(answer.body))))
        link = answer.header("link")
        self.assertEqual(head.header("link"), link)
        following = re.fullmatch(r'<(/[^<> ]+)>; *rel="next"', link).group(1) if link else None
        return json.loads(answer.body)[key], following

    def walk(self, path, key):
        while path:
            found, path = self.page(path, key)
            self.assertTrue(len(found) <= 7)
            yield found

    def all(self, path, key):
        return [entry for page in self.walk(path, key) for entry in page]


class Tags(ListingCase):
    TAGS = sorted(["v1", "v10", "v2", "V2", "latest", "0", "_x", "a.b-c", "Z" * 128, "zz", "v1.1"])

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        document = index([])
        cls.expect(201, "PUT", "/v2/tags/manifests/%s?%s" % (document.digest(), "&".join("tag=" + t for t in cls.TAGS)),
                   document.data, {"Content-Type": OCI_INDEX})

    def test_all_in_order(self):
        body = json.loads(self.expect(200, "GET", "/v2/tags/tags/list").body)
        self.assertEqual(body, {"name": "tags", "tags": self.TAGS[:7]})
        self.assertEqual(self.all("/v2/tags/tags/list", "tags"), self.TAGS)

    def test_n(self):
        for n in range(1, 13):
            path = "/v2/tags/tags/list?n=%d" % n
            found, following = self.page(path, "tags")
            self.assertEqual(found, self.TAGS[:min(n, 7)])
            self.assertEqual(self.all(path, "tags"), self.TAGS)
        self.assertEqual(self.page("/v2/tags/tags/list?n=99999999999999999999", "tags")[0], self.TAGS[:7])
        self.assertEqual(self.page("/v2/tags/tags/list?n=0", "tags"), ([], None))
        for bad in ("-1", "x", "", "1.5"):
            self.expect(400, "GET", "/v2/tags/tags/list?n=" + bad)

    def test_last(self):
        """Strictly behind it, with n or without, whether it is there or not."""
        for last in self.TAGS + ["v1.0", "nothing", "zzz"]:
            rest = [t for t in self.TAGS if t > last]
            self.assertEqual(self.all("/v2/tags/tags/list?last=" + last, "tags"), rest)
            self.assertEqual(self.page("/v2/tags/tags/list?n=2&last=" + last, "tags")[0], rest[:2])

    def test_the_end_has_no_link(self):
        self.assertIsNone(self.page("/v2/tags/tags/list?n=4&last=" + self.TAGS[6], "tags")[1])
        self.assertIsNone(self.page("/v2/tags/tags/list?last=zzz", "tags")[1])

    def test_repository_without_tags(self):
        self.push(self.repo(), index([]))
        self.assertEqual(self.page("/v2/%s/tags/list" % self.repo(), "tags"), ([], None))

    def test_unknown_repository(self):
        self.assertEqual(self.expect(404, "GET", "/v2/not/there/tags/list").code, "NAME_UNKNOWN")

    def test_catalog(self):
        names = ["tags"] + ["catalog/%d" % i for i in range(20)]
        for name in names[1:]:
            self.push(name, index([]))
        found = self.all("/v2/_catalog", "repositories")
        self.assertEqual([n for n in found if n in names], sorted(names))
        self.assertEqual(found, sorted(found))
        self.assertEqual(self.all("/v2/_catalog?n=3", "repositories"), found)
        self.assertEqual(self.page("/v2/_catalog?n=0", "repositories"), ([], None))
        self.assertEqual(self.page("/v2/_catalog?n=2&last=catalog/18x", "repositories")[0], ["catalog/19", "catalog/2"])


class Referrers(ListingCase):
    def list(self, subject, query=""):
        return self.all("/v2/%s/referrers/%s%s" % (self.repo(), subject, query), "manifests")

    def subject(self, algorithm="sha256"):
        document = image(n_layers=1, algorithm=algorithm)
        self.push(self.repo(), document, algorithm=algorithm)
        return document.describe(algorithm)

    def test_nobody(self):
        """An empty index, never a 404."""
        for repo in (self.repo(), "not/there"):
            answer = self.expect(200, "GET", "/v2/%s/referrers/%s" % (repo, digest_of(b"lonely")))
            self.assertEqual(answer.header("content-type"), OCI_INDEX)
            self.assertEqual(json.loads(answer.body), {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
        self.assertEqual(self.expect(400, "GET", "/v2/a/referrers/sha256:x").code, "DIGEST_INVALID")

    def test_descriptors(self):
        """Of an artifact, an image, an index with a type and one without."""
        for algorithm in ("sha256", "sha512"):
            subject = self.subject(algorithm)
            notes = {"org.example.note": "hällo \"wörld\"", "b": ""}
            documents = [(artifact(EXAMPLE, subject=subject, annotations=notes), EXAMPLE),
                         (image(subject=subject), "application/vnd.oci.image.config.v1+json"),
                         (index([], subject=subject, artifactType="application/x.list", annotations=notes),
                          "application/x.list"),
                         (index([], subject=subject), None)]
            want = []
            for document, artifact_type in documents:
                self.push(self.repo(), document)
                want.append({**document.describe(), **({"artifactType": artifact_type} if artifact_type else {}),
                             **({"annotations": notes} if "annotations" in document.content else {})})
            by_digest = sorted(want, key=lambda d: d["digest"])
            self.assertEqual(self.list(subject["digest"]), by_digest)
            self.push("elsewhere", documents[3][0])
            self.assertEqual(self.list(subject["digest"]), by_digest)

    def test_before_its_subject_and_after(self):
        subject = image(n_layers=1)
        document = artifact(EXAMPLE, subject=subject.describe())
        self.push(self.repo(), document)
        self.assertEqual(len(self.list(subject.digest())), 1)
        self.push(self.repo(), subject)
        self.delete("/v2/%s/manifests/%s" % (self.repo(), subject.digest()))
        self.assertEqual(len(self.list(subject.digest())), 1)
        self.delete("/v2/%s/manifests/%s" % (self.repo(), document.digest()))
        self.assertEqual(self.list(subject.digest()), [])

    def test_filter_and_pages(self):
        subject = self.subject()
        kinds = {"application/x.a+json": 16, "application/x.b": 1, "application/x.c": 3}
        for kind, n in kinds.items():
            for i in range(n):
                self.push(self.repo(), index([], subject=subject, artifactType=kind, annotations={"i": str(i)}))
        everything = self.list(subject["digest"])
        self.assertEqual(len({d["digest"] for d in everything}), 20)
        for kind, n in kinds.items():
            for query in ("?artifactType=" + kind, "?artifactType=" + kind.replace("+", "%2B").replace("/", "%2F")):
                found = self.list(subject["digest"], query)
                self.assertEqual([d["artifactType"] for d in found], [kind] * n)
        path = "/v2/%s/referrers/%s?artifactType=application/x.b" % (self.repo(), subject["digest"])
        self.assertEqual(self.expect(200, "GET", path).header("oci-filters-applied"), "artifactType")
        self.assertIsNone(self.expect(200, "GET", path.partition("?")[0]).header("oci-filters-applied"))

    def test_index_under_the_tag_schema(self):
        """What a client listed itself counts as far as it is true; nothing twice."""
        subject = self.subject()
        known = artifact(EXAMPLE, subject=subject)
        hidden = artifact(EXAMPLE, subject=subject, annotations={"a": "b"})
        hidden.content.pop("mediaType")
        hidden.data = json.dumps(hidden.content).encode()
        self.push(self.repo(), known)
        self.push_blobs(self.repo(), hidden)
        self.expect(201, "PUT", "/v2/%s/manifests/%s" % (self.repo(), hidden.digest()), hidden.data,
                    {"Content-Type": HIDDEN})
        self.assertEqual([d["digest"] for d in self.list(subject["digest"])], [known.digest()])
        other = index([], annotations={"no": "subject"})
        self.push(self.repo(), other)
        self.put(self.repo(), index([known, hidden, other, known]), subject["digest"].replace(":", "-"))
        found = {d["digest"]: d for d in self.list(subject["digest"])}
        self.assertEqual(sorted(found), sorted([known.digest(), hidden.digest()]))
        self.assertEqual(found[hidden.digest()], {"mediaType": OCI_MANIFEST, "size": len(hidden.data),
                                                  "digest": hidden.digest(), "artifactType": EXAMPLE,
                                                  "annotations": {"a": "b"}})


if __name__ == "__main__":
    unittest.main()
