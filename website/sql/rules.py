"""What SQL may do on the site's connections, and how much of it: readers and strangers choose the SQL, or parts of it.

Two dangers. Functions of SQLite that reading results does not need can damage the process: Debian's ``fts3_tokenizer``
writes to any address. So an authorizer allows what is listed here and nothing else. And SQLite looks at the time limit
every 1,000 instructions only: one instruction on large values may take minutes, and values may take gigabytes. So
lengths are limited, and what takes the product of two lengths is not SQLite's own.
"""

import contextlib
import fnmatch
import functools
import re
import sqlite3
import weakref

from proteofold.system.errors import UserError

# Everything in SQLite 3.40 to 3.50 that calculates with the values of a row or of a group, in time that grows with
# their length. Left out: what changes memory or settings, what loads code, what reveals the process, what makes large
# values of nothing (randomblob, zeroblob), and json_patch and json_set, whose time grows with the square of it.
_FUNCTIONS = """
    -> ->> abs ceil ceiling char coalesce concat concat_ws format glob hex iif if ifnull instr length like likelihood
    likely lower ltrim max min nullif octet_length printf quote replace round rtrim sign soundex substr substring
    trim trunc typeof unicode unistr unistr_quote unlikely upper

    acos acosh asin asinh atan atan2 atanh cos cosh degrees exp floor ln log log10 log2 mod pi pow power radians
    random sin sinh sqrt tan tanh

    current_date current_time current_timestamp date datetime julianday strftime time timediff unixepoch

    avg count cume_dist dense_rank first_value group_concat lag last_value lead nth_value ntile percent_rank rank
    row_number string_agg sum total

    json json_array json_array_length json_extract json_group_array json_group_object json_object json_quote
    json_type json_valid

    match escape_fts
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())

# What Datasette, sqlite-utils and FTS5 ask about tables and changes.
PRAGMAS = frozenset(
    ["foreign_key_list", "index_info", "index_list", "index_xinfo", "table_info", "table_list", "table_xinfo"]
)
# The same without a value, which would set them; recursive_triggers is set by sqlite-utils, for nothing that we have.
PRAGMAS_WITH_VALUE = {
    "data_version": (None,),
    "database_list": (None,),
    "schema_version": (None,),
    "recursive_triggers": ("on",),
}

# Of SQLite's tables that are functions.
TABLE_FUNCTIONS = frozenset({"json_each", "json_tree", *(f"pragma_{name}" for name in PRAGMAS)})

_SCHEMA = ("sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema")

LIMITS = {
    # Bytes of a value or of a row that is sorted. The longest known protein has 45,212 residues; 50 alignments of 1,500
    # columns take 240,000 bytes, packed.
    sqlite3.SQLITE_LIMIT_LENGTH: 250_000,
    # Datasette's longest statement asks for the labels of the 1,000 rows of a page: 4,000 letters
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 6_000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 2_000,
    # ... and 3,000 instructions; SQLite reserves them by doubling
    sqlite3.SQLITE_LIMIT_VDBE_OP: 6_000,
    # of a result; the widest table has 25, and a page is drawn cell by cell while no other request is answered
    sqlite3.SQLITE_LIMIT_COLUMN: 64,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}

# Memory of SQLite, all connections of the process together. A statement of 900 letters whose WITH parts each name the
# one before them twice takes gigabytes while SQLite reads it, when no other limit counts. The statements that Python
# keeps, 128 of each of 8 threads, take 300 MB when they are as large as the limits allow.
HEAP_BYTES = 512 * 1024**2

# Of an answer's values; a page of 1,000 proteins with their sequences has 1 MB. As JSON a letter may take 6 bytes.
ANSWER_BYTES = 10 * 1024**2


# from here on tables are strict and have -> and ->>, and what the rules name exists
OLDEST_SQLITE = (3, 40, 0)
_NEEDED_OPTIONS = ("ENABLE_FTS5",)
# without the authorizer there are no rules; without mutexes eight threads damage the memory of one another
_FORBIDDEN_OPTIONS = ("OMIT_AUTHORIZATION", "OMIT_PROGRESS_CALLBACK", "OMIT_JSON", "THREADSAFE=0")


def check_sqlite(version=sqlite3.sqlite_version_info, options=None):
    """Raise UserError if SQLite is too old for the rules, or compiled without what they rest on.

    ``version`` is a tuple of three, ``options`` are those of ``pragma compile_options``; by default of the SQLite here.
    """
    if options is None:
        with contextlib.closing(sqlite3.connect(":memory:")) as conn:
            options = [option for (option,) in conn.execute("pragma compile_options")]
    problems = []
    if version < OLDEST_SQLITE:
        problems.append(f"it is older than {_dotted(OLDEST_SQLITE)}")
    problems += [f"it was compiled without {option}" for option in _NEEDED_OPTIONS if option not in options]
    problems += [f"it was compiled with {option}" for option in _FORBIDDEN_OPTIONS if option in options]
    if problems:
        raise UserError(f"SQLite {_dotted(version)} cannot serve strangers: {'; '.join(problems)}. Install another.")


def _dotted(version):
    return ".".join(map(str, version))


def guard(conn):
    """Have a connection read what is in its file, and do nothing else, within the limits."""
    printf = _printing()
    for name, values, function in (*_LINEAR, ("printf", -1, printf), ("format", -1, printf)):
        conn.create_function(name, values, function, deterministic=True)
    tables, modules = _names(conn)
    conn.execute(f"pragma hard_heap_limit = {HEAP_BYTES}").fetchone()
    for limit, value in LIMITS.items():
        conn.setlimit(limit, value)
    conn.row_factory = _AnswerRows()
    conn.set_authorizer(_authorizer(tables, modules))


def guard_own(conn):
    """Have a connection for our own SQL read and write rows, with the functions of readers; returns it."""
    conn.set_authorizer(_authorizer(*_names(conn), more=_WRITING))
    return conn


def _names(conn):
    """The tables of a connection's file, and SQLite's modules, of which some are tables without being in a file."""
    tables = [name.lower() for (name,) in conn.execute("select name from sqlite_master")]
    modules = [name.lower() for (name,) in conn.execute("select name from pragma_module_list")]
    return frozenset((*tables, *_SCHEMA)), frozenset(modules)


_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_WRITING = frozenset(
    {
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
    }
)


def _authorizer(tables, modules, more=frozenset()):
    """The function that SQLite asks about each thing a statement does, when it reads the statement."""
    actions = _READING | more

    def may_read(table, column):
        table = table.lower()
        if table in tables or table in TABLE_FUNCTIONS:
            return True
        # a part of WITH, of which no column is read: no table, and no function that is a table
        return column == "" and table not in modules and not table.startswith("pragma_")

    def allowed(action, first, second):
        if action == sqlite3.SQLITE_READ:
            return may_read(first, second)
        if action == sqlite3.SQLITE_FUNCTION:
            return second.lower() in FUNCTIONS
        if action == sqlite3.SQLITE_PRAGMA:
            return first in PRAGMAS or second in PRAGMAS_WITH_VALUE.get(first, ())
        # SQLite asks so when it opens a virtual table; no statement can change this table
        if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            return True
        return action in actions

    def authorize(action, first, second, database, source):
        return sqlite3.SQLITE_OK if allowed(action, first, second) else sqlite3.SQLITE_DENY

    return authorize


class _AnswerRows:
    """Makes rows as Datasette wants them, and ends an answer that would take too much memory."""

    def __init__(self):
        self._cursor, self._bytes = lambda: None, 0

    def __call__(self, cursor, row):
        if self._cursor() is not cursor:
            self._cursor, self._bytes = weakref.ref(cursor), 0
        self._bytes += sum(len(value) for value in row if isinstance(value, str | bytes))
        if self._bytes > ANSWER_BYTES:
            raise sqlite3.DataError(
                f"the answer has more than {ANSWER_BYTES // 1024**2} MB; ask for fewer rows or columns"
            )
        return sqlite3.Row(cursor, row)


# --- SQLite's functions whose time is the product of two lengths, reimplemented --------------------------

# letters of a value times letters of a pattern: 5 ms
_STEPS = 1_000_000
# letters of a pattern that is compiled, or wildcards of one that is not: 2 ms, and a statement can hold 600
_MOST_OF_PATTERN = 1_000


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _of_text(function):
    """A function of SQL, null where a value is null, of one that takes texts."""

    def of_values(*values):
        return None if None in values else function(*map(_text, values))

    return of_values


@_of_text
def _instr(text, part):
    return text.find(part) + 1


@_of_text
def _replace(text, part, other):
    if not part:
        return text
    if len(text) + text.count(part) * (len(other) - len(part)) > LIMITS[sqlite3.SQLITE_LIMIT_LENGTH]:
        raise ValueError("too long")
    return text.replace(part, other)


def _trimming(strip):
    @_of_text
    def trim(text, letters):
        _check_steps(text, letters)
        return strip(text, letters) if letters else text

    return trim


def _check_steps(text, pattern):
    if len(text) * len(pattern) > _STEPS:
        raise ValueError("too long")


def _check_pattern(size):
    if size > _MOST_OF_PATTERN:
        raise ValueError("too long")


def _like(pattern, text, *escape):
    # called for each row of a table, so what is rare comes last
    try:
        return _like_test(pattern, *escape)(text)
    except (AttributeError, TypeError):
        return None if text is None or pattern is None else _like_test(_text(pattern), *escape)(_text(text))


@functools.lru_cache(100)
def _like_test(pattern, escape=""):
    """Function: whether LIKE finds a text alike."""
    if "_" in pattern or escape:
        _check_pattern(len(pattern))
        alike = _shell_test(pattern, _shell_pattern(pattern.lower(), escape.lower()))
        return lambda text: alike(text.lower())
    _check_pattern(pattern.count("%"))
    first, *parts = pattern.lower().split("%")
    if not parts:
        return lambda text: text.lower() == first
    last = parts.pop()
    if not first and not last and len(parts) == 1:
        (part,) = parts
        return lambda text: part in text.lower()

    def test(text):
        text = text.lower()
        place, end = len(first), len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last):
            return False
        for part in parts:
            place = text.find(part, place, end)
            if place < 0:
                return False
            place += len(part)
        return place <= end

    return test


def _shell_pattern(pattern, escape):
    """A pattern of LIKE as one of the shell, which Python matches without trying all ways."""
    letters, shell = iter(pattern), []
    for letter in letters:
        if letter != escape and letter in "%_":
            shell.append("*" if letter == "%" else "?")
        else:
            letter = next(letters, "") if letter == escape else letter
            shell.append(f"[{letter}]" if letter in ("*", "?", "[") else letter)
    return "".join(shell)


def _shell_test(pattern, shell):
    match = re.compile(fnmatch.translate(shell)).match

    def test(text):
        _check_steps(text, pattern)
        return match(text) is not None

    return test


@functools.lru_cache(100)
def _glob_test(pattern):
    _check_pattern(len(pattern))
    return _shell_test(pattern, pattern.replace("[^", "[!"))


@_of_text
def _glob(pattern, text):
    return _glob_test(pattern)(text)


def _number(value):
    """What SQLite at most takes a value for where it expects a number."""
    if isinstance(value, str | bytes):
        value = re.match(r"\s*[+-]?(\d*\.?\d*(?:e[+-]?\d+)?)", _text(value), re.IGNORECASE)[1]
        try:
            return float(value)
        except ValueError:
            return 0
    return abs(value or 0)


def _printing():
    """SQLite's printf, of texts that are no longer than values may be: it counts up to two thousand million letters of
    one that it then does not make, and nothing interrupts it."""
    plain = sqlite3.connect(":memory:", check_same_thread=False)  # whose printf is SQLite's own
    plain.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LIMITS[sqlite3.SQLITE_LIMIT_LENGTH])

    def printf(pattern=None, *values):
        if pattern is None:
            return None
        pattern = _text(pattern)
        letters = sum(map(int, re.findall(r"\d{1,18}", pattern)))
        letters += pattern.count("*") * max(map(_number, values), default=0)
        if letters > LIMITS[sqlite3.SQLITE_LIMIT_LENGTH]:
            raise ValueError("too long")
        return plain.execute(f"select printf({', '.join('?' * (len(values) + 1))})", (pattern, *values)).fetchone()[0]

    return printf


# name, number of values, function
_LINEAR = (
    ("instr", 2, _instr),
    ("replace", 3, _replace),
    ("trim", 2, _trimming(str.strip)),
    ("ltrim", 2, _trimming(str.lstrip)),
    ("rtrim", 2, _trimming(str.rstrip)),
    ("like", 2, _like),
    ("like", 3, _like),
    ("glob", 2, _glob),
)
