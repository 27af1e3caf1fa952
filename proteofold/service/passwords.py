"""Passwords: which are good enough, and what is stored of them."""

import base64
import hashlib
import hmac
import re
import secrets
import threading
from functools import cache
from importlib import resources

from proteofold.system.errors import UserError

# scrypt of 32 MB, 0.3 s of a core. The parameters are part of each hash, so they may be raised later.
_COST, _BLOCK, _PARALLEL = 2**15, 8, 3
_MAXMEM = 64 << 20
# A flood of sign-ins must not take the machine's memory.
_hashing = threading.BoundedSemaphore(2)

SHORTEST, LONGEST = 12, 1000
_FEWEST_CHARACTERS = 5  # different ones
_FEWEST_BESIDE_NAME = 6
_ROWS = (
    *("abcdefghijklmnopqrstuvwxyz", "01234567890123456789"),
    *("qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm"),
)


def check_password(name, password):
    """Raise UserError for a password of an account that is too short, too long or easily guessed."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UserError(f"The password is invalid: it needs {SHORTEST} to {LONGEST:,} characters.")
    if why := _guessable(name.casefold(), password.casefold()):
        raise UserError(f"The password is easily guessed: {why}. Choose another, for example four words of your own.")


def _guessable(name, password):
    """Why a password is among the first that are tried; None if it is not."""
    if password in _common() or password.strip("0123456789!?.,_*#$@+- ") in _common():
        return "it is among those that are used most"
    if len(set(password)) < _FEWEST_CHARACTERS:
        return f"it has fewer than {_FEWEST_CHARACTERS} different characters"
    if re.fullmatch(r"(.{1,10}?)\1+.?", password, re.DOTALL):
        return "it repeats a few characters"
    if any(password in row or password[::-1] in row for row in _ROWS):
        return "it is a row of the alphabet or of the keyboard"
    for word in (name, "proteofold"):
        if word in password and len(password) - len(word) < _FEWEST_BESIDE_NAME:
            return "it is little more than the name of the account or of this program"
    return None


@cache
def _common():
    lines = resources.files("proteofold.service").joinpath("common_passwords.txt").read_text("ascii").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("# "))


def hash_password(password):
    """What is stored of a password: the name, the parameters, the salt and the result of scrypt."""
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return "$".join(("scrypt", *map(str, (_COST, _BLOCK, _PARALLEL)), _text(salt), _text(made)))


def is_password(password, hashed):
    """Whether ``hashed`` was made of a password; takes as long if it was not."""
    _, cost, block, parallel, salt, expected = hashed.split("$")
    made = _scrypt(password[:LONGEST], base64.b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(_text(made), expected)


def _scrypt(password, salt, cost, block, parallel):
    with _hashing:
        return hashlib.scrypt(
            password.encode("utf-8", "replace"), salt=salt, n=cost, r=block, p=parallel, maxmem=_MAXMEM, dklen=32
        )


def _text(raw):
    return base64.b64encode(raw).decode()


# No password leads to this hash: an unknown name takes as long as a known one.
NO_PASSWORD = "$".join(("scrypt", str(_COST), str(_BLOCK), str(_PARALLEL), _text(bytes(16)), "-"))
