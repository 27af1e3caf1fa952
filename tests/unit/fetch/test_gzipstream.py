"""A gzip stream is unpacked as Python does, and continues from any checkpoint in another process."""

import gzip
import json
import random
import zlib

import pytest

from proteofold.fetch.gzipstream import DamagedError, GzipStream


def text(size, seed=1):
    """Bytes that pack about as profiles do: words of a small vocabulary."""
    choice = random.Random(seed)
    words = [bytes(choice.choices(range(256), k=choice.randrange(2, 12))) for _ in range(300)]
    made = bytearray()
    while len(made) < size:
        made += choice.choice(words)
    return bytes(made[:size])


def as_pigz(content, level=6):
    """One member whose blocks end at byte boundaries, as pigz writes them."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    pieces = [
        packer.compress(content[place : place + 131072]) + packer.flush(zlib.Z_SYNC_FLUSH)
        for place in range(0, len(content), 131072)
    ]
    return b"".join([*pieces, packer.flush()])


def unpack(packed, chunk=70_000, state=None, start=0, checkpoints=None):
    """Unpack from a byte on; with ``checkpoints`` (a list) note where and how to go on, and how much was unpacked."""
    stream, made = GzipStream(state), bytearray()
    place = start
    while place < len(packed):
        data, used = packed[place : place + chunk], 0
        while used < len(data):
            unpacked, count, boundary = stream.step(data, used, checkpoints is not None)
            made += unpacked
            used += count
            if boundary and checkpoints is not None:
                checkpoints.append((place + used, json.dumps(stream.save()), len(made)))
        place += len(data)
    return bytes(made), stream.finished


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("chunk", [1, 17, 70_000])
def test_unpacks_what_gzip_packed(level, chunk):
    content = text(60_000 if chunk == 1 else 400_000)
    assert unpack(gzip.compress(content, level), chunk) == (content, True)


@pytest.mark.parametrize(
    "pack", [lambda c: gzip.compress(c, 1), lambda c: gzip.compress(c, 9), lambda c: gzip.compress(c, 0), as_pigz]
)
def test_continues_at_every_checkpoint(pack):
    content = text(1_500_000)
    packed, checkpoints = pack(content), []
    assert unpack(packed, checkpoints=checkpoints) == (content, True)
    assert len(checkpoints) > 5
    for place, state, made in checkpoints:
        assert unpack(packed, state=json.loads(state), start=place) == (content[made:], True)


def test_checkpoints_lie_within_bytes_too():
    """Otherwise the test above would not show that the bits that are left of a byte are kept."""
    checkpoints = []
    unpack(gzip.compress(text(1_500_000), 6), checkpoints=checkpoints)
    assert len({json.loads(state)["bits"] for _, state, _ in checkpoints}) > 3


def test_several_members_are_one_content():
    first, second = text(100_000, 1), text(100_000, 2)
    packed, checkpoints = gzip.compress(first) + gzip.compress(second) + b"\0" * 700, []
    assert unpack(packed, checkpoints=checkpoints) == (first + second, True)
    for place, state, made in checkpoints:
        assert unpack(packed, state=json.loads(state), start=place) == ((first + second)[made:], True)


def test_header_with_name_comment_and_extra_is_passed_over():
    plain = gzip.compress(b"content")
    header = b"\x1f\x8b\x08\x1e" + plain[4:10] + b"\x03\x00abc" + b"name\0" + b"comment\0" + b"\x12\x34"
    for chunk in (1, 100):
        assert unpack(header + plain[10:], chunk) == (b"content", True)


def test_cut_file_is_not_finished():
    packed = gzip.compress(text(50_000))
    for count in (5, 1000, len(packed) - 8, len(packed) - 1):
        assert not unpack(packed[:count])[1]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda packed: packed[:-8] + b"\1\2\3\4" + packed[-4:], "CRC-32"),
        (lambda packed: packed[:-4] + b"\1\2\3\4", "length"),
        (lambda packed: packed[:2000] + bytes(200) + packed[2200:], "damaged"),
        (lambda packed: packed + b"\0\0rubbish", "rubbish behind the end"),
        (lambda packed: packed + b"rubbish", "no .tar.gz"),
        (lambda packed: b"<!DOCTYPE html><html>", "no .tar.gz archive .a page of the server"),
        (lambda packed: b"\x1f\x8b\x08\x08" + b"x" * 100_000, "header does not end"),
    ],
)
def test_damage_is_reported(damage, what):
    with pytest.raises(DamagedError, match=what):
        unpack(damage(gzip.compress(text(50_000))))


def test_damage_behind_a_checkpoint_is_found_by_the_checksum_of_all():
    """The checksum continues from the checkpoint: it covers what another process unpacked."""
    content = text(600_000)
    packed, checkpoints = gzip.compress(content), []
    unpack(packed, checkpoints=checkpoints)
    place, state, _ = checkpoints[len(checkpoints) // 2]
    state = json.loads(state)
    state["crc32"] ^= 1
    with pytest.raises(DamagedError, match="CRC-32"):
        unpack(packed, state=state, start=place)
