"""Checksums agree with hashlib's, and go on in another process."""

import hashlib
import random

import pytest

from proteofold.fetch.checksum import Checksum


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_sum_continues_from_what_was_saved(kind):
    data = random.Random(3).randbytes(300_000)
    for cut in (0, 1, 63, 64, 65, 100_001, 300_000):
        first = Checksum(f"{kind}:00")
        first.update(data, 0, cut)
        second = Checksum(f"{kind}:00", first.save())
        second.update(data, cut, len(data) - cut)
        assert second.hexdigest() == hashlib.new(kind, data).hexdigest()
        assert first.hexdigest() == hashlib.new(kind, data[:cut]).hexdigest()


def test_sum_of_nothing():
    assert Checksum("md5:00").hexdigest() == hashlib.md5(b"").hexdigest()
