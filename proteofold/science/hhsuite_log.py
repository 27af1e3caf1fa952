"""What HH-suite's programs print: errors, and warnings that a template was not searched.

They print lines like ``- 23:24:37.817 ERROR: text`` to standard error. One message spans several of them, the first of
which often names only a place in the source code. After some errors hhsearch and hhblits continue and exit with 0.
"""

import re

# One or more time stamps with a level; a message that begins with a message of its own has two.
_STAMP = re.compile(r"^(?:- \d\d:\d\d:\d\d\.\d+ ([A-Z]+)\d?: ?)+", re.MULTILINE)
_PLACE = re.compile(r"(?:Error in|Warning in|In) \S+:\d+: ?\w*:?")

# Warnings after which a template was skipped or only part of it was searched.
_TEMPLATE_LOST = (
    "Could not fetch entry",
    "Could not read index file",
    "could not read line",
    "Skipping HMM",
    "columns while the stated length is",
    "contains no match states",
    "residues exceeded while reading HMM",
)


def search_problem(output):
    """HH-suite's sentence on why the result of a program with this output is incomplete; '' if nothing is wrong.

    It is that of the first error, or of the first warning that a template could not be fetched or read. It holds no
    time stamp and no place in the source code, so that equal problems have equal sentences. Other warnings are
    harmless.
    """
    levels_and_texts = _STAMP.split(output)[1:]
    # a message ends with an empty line; the list of hits may follow
    texts = [" ".join(text.strip().partition("\n\n")[0].split()) for text in levels_and_texts[1::2]]
    levels = levels_and_texts[::2]
    for first, (level, text) in enumerate(zip(levels, texts, strict=True)):
        if level == "ERROR":
            after = (number for number in range(first, len(levels)) if levels[number] != "ERROR")
            return _error_sentence(texts[first : next(after, None)])
        if level == "WARNING" and any(sign in text for sign in _TEMPLATE_LOST):
            entry = next((other for other in texts[first + 1 : first + 2] if other.startswith("entry: ")), "")
            # what follows the name of the template is that of the one before
            return re.sub(r"( in HMM \S+) in \S*$", r"\1", f"{text} {entry}".rstrip(" ."))
    return ""


def _error_sentence(texts):
    """The first sentence behind the place in the source code."""
    places = [number for number, text in enumerate(texts) if _PLACE.fullmatch(text)]
    sentence = ""
    for text in texts[places[0] + 1 :] if places else texts:
        sentence = f"{sentence} {text}".strip()
        if sentence.endswith((".", "!", "?")):
            break
    return sentence.rstrip(".") or "an error without a message"
