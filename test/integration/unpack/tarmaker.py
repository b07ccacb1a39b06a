# SPDX-License-Identifier: Apache-2.0
"""Tar archives byte by byte: what no honest tool would write."""

import struct

BLOCK = 512
END = b"\0" * (2 * BLOCK)
USTAR = b"ustar\x0000"
GNU = b"ustar  \0"


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def base256(value, width):
    return (value % (1 << (8 * width - 1)) | 1 << (8 * width - 1)).to_bytes(width, "big")


def number(value, width):
    if isinstance(value, bytes):
        return value.ljust(width, b"\0")
    if 0 <= value < 8 ** (width - 1):
        return octal(value, width)
    raw = value.to_bytes(width, "big", signed=True)
    return bytes([raw[0] | 0x80]) + raw[1:]


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def seal(block):
    """Puts the checksum in."""
    block = bytearray(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def header(name, type="0", size=0, mode=0o644, uid=0, gid=0, mtime=0, link="", magic=USTAR,
           major=0, minor=0, prefix="", tail=None):
    b = raw(name).ljust(100, b"\0")[:100]
    b += number(mode, 8) + number(uid, 8) + number(gid, 8) + number(size, 12) + number(mtime, 12)
    b += b" " * 8 + raw(type)[:1] + raw(link).ljust(100, b"\0")[:100]
    b += magic + b"\0" * 64 + number(major, 8) + number(minor, 8)
    b += tail if tail is not None else raw(prefix).ljust(155, b"\0")
    return seal(b.ljust(BLOCK, b"\0"))


def pad(data):
    return data + b"\0" * (-len(data) % BLOCK)


def file(name, data=b"", **more):
    data = raw(data)
    return header(name, size=more.pop("size", len(data)), **more) + pad(data)


def dir(name, mode=0o755, **more):
    return header(name, type="5", mode=mode, **more)


def sym(name, target, **more):
    return header(name, type="2", link=target, mode=0o777, **more)


def hard(name, target, **more):
    return header(name, type="1", link=target, **more)


def record(key, value):
    body = b" " + raw(key) + b"=" + raw(value) + b"\n"
    n = len(body)
    while len(b"%d" % n) + len(body) != n:
        n = len(b"%d" % n) + len(body)
    return b"%d" % n + body


def pax_raw(data, type="x", size=None):
    return header("pax", type=type, size=len(data) if size is None else size) + pad(data)


def pax(records, type="x"):
    if hasattr(records, "items"):
        records = records.items()
    return pax_raw(b"".join(record(k, v) for k, v in records), type)


def xattr(**values):
    return pax({"SCHILY.xattr." + k.replace("__", "."): v for k, v in values.items()})


def gnu_long(name, type="L", size=None):
    data = raw(name) + b"\0"
    return header("././@LongLink", type=type, size=len(data) if size is None else size,
                  magic=GNU) + pad(data)


def old_sparse(name, pieces, size, data, more=()):
    """GNU's type S: up to four pieces in the header, 21 in each block behind."""
    def pairs(them, n):
        out = b"".join(number(o, 12) + number(l, 12) for o, l in them)
        return out.ljust(24 * n, b"\0")
    # The map begins at 386: 41 bytes behind the device numbers.
    tail = b"\0" * 41 + pairs(pieces, 4) + (b"\1" if more else b"\0") + number(size, 12)
    out = header(name, type="S", size=len(data), magic=GNU, tail=tail)
    more = list(more)
    while more:
        part, more = more[:21], more[21:]
        out += (pairs(part, 21) + (b"\1" if more else b"\0")).ljust(BLOCK, b"\0")
    return out + pad(data)


def capability():
    """cap_net_raw+ep as security.capability holds it (revision 2)."""
    return struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


def acl(perm):
    """A default or access ACL: owner, group, other, all with the same permissions."""
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, perm, 0xFFFFFFFF) for tag in (0x01, 0x04, 0x20))
