"""Mutations that keep a file readable for longer: whole words, numbers and stretches between them change, not single bytes."""

from __future__ import annotations

import random
import re

_TOKEN = re.compile(rb'"[^"\n]{0,40}"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\w+|[^\w\s]')

ODD = (
    b"0", b"-1", b"1", b"1e308", b"-1e308", b"1e999", b"nan", b"NaN", b"inf", b"-inf", b"99999999999999999999", b"0.1",
    b"2147483648", b"-2147483649", b"9007199254740993", b'""', b"null", b"true", b"[]", b"{}", b"[[]]", b'"\\u0000"',
    b'"a/../../b"', b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\xa4", b" ", b"\n", b"\r\n", b"\t", b",", b";", b":", b"#", b"&amp;",
    b"&x;", b"<!DOCTYPE a>", b"<a>", b"</a>", b"<![CDATA[", b"]]>", b"- ", b"*a", b"&a", b"!!python/object:a.b", b"%20", b"%",
)  # fmt: skip
"""What stands in a file where nobody expects it."""


def mutate(content: bytes, limit: int, rng: random.Random) -> bytes:
    """Change one to four places of a text.

    Args:
        content: A file.
        limit: Most bytes of the result.
        rng: Where chance comes from.
    """
    for _ in range(rng.randint(1, 4)):
        tokens = [match.span() for match in _TOKEN.finditer(content)]
        if not tokens:
            return content
        start, end = rng.choice(tokens)
        other = rng.choice(tokens)
        way = rng.randrange(5)
        if way == 0:
            content = content[:start] + rng.choice(ODD) + content[end:]
        elif way == 1:
            content = content[:start] + content[slice(*other)] + content[end:]
        elif way == 2:
            low, high = min(start, other[0]), max(start, other[0])
            content = content[:low] + content[high:]
        elif way == 3:
            low, high = min(start, other[0]), max(start, other[0])
            content = content[:high] + content[low : low + min(high - low, 400)] + content[high:]
        else:
            content = content[:start] + rng.choice(ODD) + content[start:]
    return content[:limit]
