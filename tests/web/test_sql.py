"""SQL on the site: who may write it, what it may do, how long and how much memory it takes; attacks included."""

import asyncio
import concurrent.futures
import contextlib
import json
import random
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from datasette.utils import StartupError
from webbench import served

from proteofold.service.accounts import find_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token
from proteofold.store import open_store
from proteofold.system.errors import UserError
from website.requests.databases import ask_both, ask_platform
from website.sql import rules
from website.sql.rules import check_sqlite, guard
from website.sql.turns import AT_ONCE, WAITING, TooManyError, Turns

QUERY = "/proteofold/-/query.json"


@pytest.fixture
def query(users_site, token_of):
    """Function: the answer to SQL of a user."""
    headers = {"Authorization": f"Bearer {token_of('read')}"}
    return lambda sql: users_site.get(QUERY, params={"sql": sql, "_shape": "array"}, headers=headers)


# --- Who may ----------------------------------------------------------------------------------------

FREE = [
    "/proteofold/-/query?sql=select+1",
    "/proteofold/-/query.json?sql=select+1",
    "/proteofold/-/query.csv?sql=select+1",
    "/proteofold?sql=select+1",
    "/proteofold/proteins?_where=1",
    "/proteofold/proteins.json?_where=length(query_id)>0",
    "/proteofold/-/query/parameters?sql=select+:a",
]


@pytest.mark.parametrize("path", FREE)
@pytest.mark.parametrize("right", [None, "upload"])
def test_only_readers_with_an_account_write_sql(users_site, token_of, path, right):
    headers = {"Authorization": f"Bearer {token_of(right)}"} if right else {}
    answer = users_site.get(path, headers=headers, follow_redirects=True)
    assert answer.status_code == 403


@pytest.mark.parametrize("path", [path for path in FREE if not path.startswith("/proteofold?")])
def test_users_write_sql(signed_in, path):
    assert signed_in("ann").get(path).status_code == 200


PATHS_OF_NOBODY = [
    "/_internal",
    "/_internal/-/query.json?sql=select+1",
    "/_memory/-/query.json?sql=select+1",
    "/proteofold/-/queries/analyze?sql=select+1",
    "/proteofold/-/queries/store?sql=select+1",
    "/proteofold/-/execute-write?sql=select+1",
    "/proteofold/-/execute-write/analyze?sql=select+1",
]


@pytest.mark.parametrize("path", PATHS_OF_NOBODY)
@pytest.mark.parametrize("name", ["ann", "root"])
def test_no_user_reaches_connections_without_rules(signed_in, name, path):
    """Datasette's own database, and connections that it opens for looking at SQL, which plugins are not asked about."""
    assert signed_in(name).get(path).status_code in (403, 404)


# --- SQLite itself ----------------------------------------------------------------------------------


def test_a_sqlite_that_cannot_hold_the_rules_is_refused():
    check_sqlite()
    good = ["ENABLE_FTS5", "THREADSAFE=1"]
    check_sqlite((3, 40, 1), good)
    for version, options, why in (
        ((3, 39, 4), good, "older than 3.40.0"),
        ((3, 46, 0), ["THREADSAFE=1"], "without ENABLE_FTS5"),
        ((3, 46, 0), ["ENABLE_FTS5", "THREADSAFE=0"], "with THREADSAFE=0"),
        ((3, 46, 0), [*good, "OMIT_AUTHORIZATION"], "with OMIT_AUTHORIZATION"),
    ):
        with pytest.raises(UserError, match=why):
            check_sqlite(version, options)


def test_a_site_does_not_start_on_such_a_sqlite(empty_store, open_site, monkeypatch):
    monkeypatch.setattr(rules.check_sqlite, "__defaults__", ((3, 20, 0), None))
    with pytest.raises(StartupError, match="older than"):
        open_site(empty_store).get("/")


# --- What it may do ---------------------------------------------------------------------------------

DENIED = [
    "select hex(fts3_tokenizer('simple'))",
    "select fts3_tokenizer('simple', x'4141414141414141')",
    "select \"fts3_tokenizer\"('simple')",
    "select FTS3_Tokenizer('simple')",
    "select max(x) from (select hex(fts3_tokenizer('porter')) as x)",
    "select 1 from runs order by fts3_tokenizer('simple')",
    "select 1 from runs group by 1 having fts3_tokenizer('simple')",
    "select token from fts3tokenize where input='a b c'",
    "select count(*) from fts3tokenize",
    "select 1 from Fts3Tokenize",
    "with a as (select * from fts3tokenize) select 1 from a",
    "select 1 where 1 in (select token from fts3tokenize where input = 'a')",
    "select load_extension('/tmp/x')",
    "select * from dbstat",
    "select exists(select 1 from dbstat)",
    "select * from sqlite_stmt",
    "select * from pragma_database_list",
    "select * from pragma_compile_options",
    "select * from pragma_module_list",
    "select count(*) from pragma_function_list",
    "select 1 from pragma_hard_heap_limit(0)",
    "select 1 from pragma_busy_timeout(0)",
    "select 1 from pragma_wal_checkpoint",
    "select 1 from pragma_journal_mode('delete')",
    "select 1 from pragma_integrity_check",
    "select randomblob(10)",
    "select zeroblob(10)",
    "select sqlite_log(1, 'x')",
    "select sqlite_source_id()",
    "select rtreenode(2, x'00')",
    "select rtreecheck('proteins')",
    "select matchinfo(proteins_fts) from proteins_fts where proteins_fts match 'a'",
    "select json_patch('{}', '{}')",
]


@pytest.mark.parametrize("sql", DENIED)
def test_what_reading_does_not_need_is_denied(query, sql):
    answer = query(sql)
    assert answer.status_code == 400, answer.text
    assert query("select 1 as one").json() == [{"one": 1}]


@pytest.mark.parametrize(
    "sql",
    [
        "attach ':memory:' as other",
        "detach main",
        "pragma writable_schema = on",
        "pragma schema_version = 7",
        "pragma user_version = 7",
        "pragma temp_store_directory = '/tmp'",
        "pragma hard_heap_limit = 0",
        "pragma busy_timeout = 0",
        "pragma data_version = 1",
        "vacuum into '/tmp/x'",
        "create temp table t (x)",
        "create virtual table temp.t using fts3tokenize(simple)",
        "create temp view v as select 1",
        "create temp trigger g after insert on proteins begin select 1; end",
        "insert into proteins select * from proteins",
        "update runs set author = 'x'",
        "delete from runs",
        "drop table runs",
        "alter table runs add column x",
        "update sqlite_master set sql = 'x'",
        "begin",
        "savepoint x",
        "analyze",
        "reindex",
        "explain select fts3_tokenizer('simple')",
    ],
)
def test_a_connection_does_nothing_but_read(tmp_path, sql):
    """Past the words that Datasette lets through, and on a file that could be written."""
    path = tmp_path / "store.db"
    open_store(path).close()
    conn = sqlite3.connect(path, isolation_level=None)
    guard(conn)
    with pytest.raises(sqlite3.DatabaseError):
        conn.execute(sql).fetchall()
    assert conn.execute("select count(*) from runs").fetchone()[0] == 0
    conn.close()


@pytest.mark.parametrize("ask", [ask_platform, ask_both])
def test_connections_of_our_own_pages_have_the_rules_too(users_site, ask):
    for sql in ("select fts3_tokenizer('simple')", "select 1 from dbstat", "attach ':memory:' as x"):
        with pytest.raises(sqlite3.DatabaseError):
            asyncio.run(ask(users_site.datasette, lambda *conns, sql=sql: conns[-1].execute(sql).fetchall()))


ALLOWED = {
    "select substr(query_id, instr(query_id, '|') + 1, 6) as x from proteins where query_id like 'SP|%'": "P02144",
    "select replace(accession, 'P0', 'Q') as x from proteins where accession is not null": "Q2144",
    "select trim(' a ') || trim('--a-', '-') || ltrim('aab', 'a') || rtrim('baa', 'a') as x": "aabb",
    "select count(*) as x from proteins where sequence glob 'M[GK]*' and sequence not like '%WWW%'": 3,
    "select settings ->> '$.mode' as x from runs where run_id = 'first'": "lean",
    "select json_extract(settings, '$.library.prefix') as x from runs where run_id = 'first'": "few",
    "select key as x from runs, json_each(runs.settings) where run_id = 'first' and key = 'mode'": "mode",
    "with x as (select 1) select count(*) as x from x": 1,
    "with recursive n(i) as (select 1 union all select i + 1 from n limit 9) select sum(i) as x from n": 45,
    "select x from (select row_number() over (order by query_id) as x from proteins) order by x desc limit 1": 3,
    "select printf('%.2f', round(avg(length), 1)) as x from proteins where query_id = 'lonely'": "30.00",
    "select name as x from pragma_table_info('runs') limit 1": "run_id",
    "select count(*) as x from proteins where number in (select rowid from proteins_fts('myoglobin'))": 1,
    "select upper(hex(x'ff')) || quote('a') || char(65) || unicode('A') as x": "FF'a'A65",
    "select date('2026-11-28', '+1 day') as x": "2026-11-29",
    "select round(log10(1000)) as x": 3,
    "select null like 'a' as x": None,
    "select 12 like '1%' as x": 1,
    "select 'a_b' like 'a!_b' escape '!' as x": 1,
}


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_reading_needs_continues_working(query, sql):
    answer = query(sql)
    assert answer.status_code == 200, answer.text
    assert answer.json()[0]["x"] == ALLOWED[sql]


@pytest.mark.parametrize("name", ["printf", "format"])
def test_printf_prints_as_that_of_sqlite(name):
    rules, plain = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    guard(rules)
    for words in (
        "'%5.2f|%-8s|%08d|%x|%c|%%|%,d', 1.005, 'ab', 42, 255, 'cd', 1234567",
        "'%*d|%.*f|%.*c', 9, 1, 3, 2.5, 4, 'x'",
        "'%q %Q %w', 'a''b', 'a''b', 'a\"b'",
        "'%s %s %d', null, x'4142', 'x'",
        "null, 1",
        "''",
        "42",
    ):
        sql = f"select {name}({words})"
        assert list(rules.execute(sql).fetchone()) == list(plain.execute(sql).fetchone()), words


def test_functions_made_anew_answer_as_those_of_sqlite():
    rules, plain = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    guard(rules)
    rng = random.Random(14)
    for _ in range(3000):
        # without half a set of GLOB and half an escape, which have no meaning
        text = "".join(rng.choices("aAbBé_*%\n", k=rng.randint(0, 7)))
        pattern = "".join(
            rng.choices(["a", "A", "B", "%", "_", "*", "?", "é", "[ab]", "[^a]", "!_"], k=rng.randint(0, 5))
        )
        for sql in (
            "select ? like ?",
            "select ? like ? escape '!'",
            "select ? glob ?",
            "select instr(?, ?)",
            "select replace(?, ?, 'xy')",
            "select trim(?, ?)",
            "select ltrim(?, ?)",
            "select rtrim(?, ?)",
        ):
            values = (text, pattern)
            assert list(rules.execute(sql, values).fetchone()) == list(plain.execute(sql, values).fetchone()), (
                sql,
                values,
            )


# --- How long, and how much -------------------------------------------------------------------------

LONG = "printf('%.*c', 249000, 'a')"
PATTERNS = f"with t as materialized (select {LONG} as a, '%' || printf('%.*c', 200, 'a') || 'b%' as b) "
COUNTING = "with recursive r(i) as (select 1 union all select i + 1 from r) select "


def doubling(first, each, last):
    """WITH whose parts name the one before them twice."""
    return (
        f"with c0 as ({first})" + "".join(f", c{n} as ({each.format(n - 1)})" for n in range(1, 40)) + last.format(39)
    )


ATTACKS = {
    "instr": "select instr(printf('%.*c', 20000000, 'a'), printf('%.*c', 20000, 'a') || 'b')",
    "instr of rows": f"{COUNTING} sum(instr({LONG}, printf('%.*c', 100000, 'a') || 'b' || i)) from r",
    "replace": f"{COUNTING} sum(length(replace({LONG}, printf('%.*c', 100000, 'a') || 'b' || i, ''))) from r",
    "replace by more": "select length(replace(printf('%.*c', 200000, 'a'), 'a', printf('%.*c', 200000, 'b')))",
    "trim": "select trim(printf('%.*c', 120000, 'b'), printf('%.*c', 120000, 'a') || 'b')",
    "many like": PATTERNS + "select " + ", ".join(["a like b"] * 60) + " from t",
    "many more like": PATTERNS + "select " + ", ".join(["+".join(["(a like b)"] * 20)] * 20) + " from t",
    "like with _": PATTERNS + "select a like '%' || replace(b, 'a', '_') from t",
    "glob": PATTERNS + "select " + ", ".join(["a glob '*[b-z' || b || ']'"] * 60) + " from t",
    "long globs": "select " + ", ".join(f"'a' glob {LONG} || {n}" for n in range(50)),
    "long like with _": "select " + ", ".join(f"'a' like '_' || {LONG} || {n}" for n in range(50)),
    "long like of %": "select " + ", ".join(f"{LONG} like printf('%.*c', 249000, '%') || {n}" for n in range(50)),
    "zeroes": "select length(hex(zeroblob(300000000)))",
    "text twice as long": "with recursive d(s) as (select 'a' union all select s || s from d) select length(s) from d",
    "group_concat": f"{COUNTING} length(group_concat({LONG})) from r",
    "rows": f"{COUNTING} {LONG} from r",
    "columns": COUNTING + ", ".join([LONG] * 60) + " from r",
    "blobs": COUNTING + ", ".join([f"cast({LONG} as blob)"] * 60) + " from r",
    "more columns": "select " + ", ".join(["1"] * 65),
    "with": doubling("select 1 as x", "select 1 from c{0}, c{0}", " select 1 from c{}"),
    "with of values": doubling(
        "select 1 as x", "select (select x from c{0}) + (select x from c{0}) as x", " select x from c{}"
    ),
    "with of unions": doubling(
        "select 1 as x", "select x from c{0} union all select x from c{0}", " select x from c{}"
    ),
    "join": "select count(*) from " + ", ".join(f"proteins a{n}" for n in range(60)) + ", r where r.i = 0",
    "sort": f"{COUNTING} {LONG} || i as x from r order by x",
    "distinct": f"{COUNTING} count(distinct {LONG} || i) from r",
    "endless": "with recursive r(i) as (select 1 union select i + 1 from r) select count(*) from r",
    "printf of letters": "select " + ", ".join(f"printf('%.*c', {2**31 - n}, 'x')" for n in range(1, 20)),
    "format of letters": "select " + ", ".join(f"format('%.{2**31 - n}c', 'x')" for n in range(1, 20)),
    "printf of a real": "select " + ", ".join(f"printf('%.*c', {n}e9, 'x')" for n in range(1, 20)),
    "printf of a text": "select " + ", ".join(f"printf('%.*c', '{n}000000000', 'x')" for n in range(1, 20)),
    "printf of many": "select printf(group_concat('%.*c', ''), 249000" + ", 'x', 249000" * 14 + ") from proteins, runs",
    "printf": COUNTING + "count(*) from r where " + " or ".join(["printf('%240000d%s', i, i) = 'x'"] * 60),
    "json": f"{COUNTING} count(*) from r, json_tree('[' || printf('%.*c', 100000, '1') || i || ']')",
    "words": "select count(*) from proteins_fts where proteins_fts match 'NEAR(" + "protein " * 500 + ", 1000000)'",
    "length": "select 1 where 1 in (" + ", ".join(map(str, range(3000))) + ")",
    "depth": "select " + "(" * 300 + "1" + ")" * 300 + " + 1" * 300,
    "variables": "select ?99999",
}
ATTACKS["join"] = COUNTING.removesuffix("select ") + ATTACKS["join"]


@pytest.fixture(scope="module")
def hasty_site(users_store, open_site):
    """The site with a shorter time limit, so that what meets it takes half a second, and what escapes it is seen."""
    return open_site(users_store, sql_time_limit_ms=500)


# Datasette has Python report what functions of SQL raise
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ATTACKS)
def test_sql_ends_in_time(hasty_site, token_of, name):
    headers = {"Authorization": f"Bearer {token_of('read')}"}
    began = time.process_time()
    answer = hasty_site.get(QUERY, params={"sql": ATTACKS[name]}, headers=headers)
    # half a second, and what instructions take that nothing interrupts
    assert time.process_time() - began < 3
    assert answer.status_code in (200, 400, 414, 503)
    assert len(answer.content) < 64 * 1024**2
    assert hasty_site.get("/proteofold/runs.json").status_code == 200


@pytest.mark.slow
def test_a_client_does_not_stop_the_site_for_others(users_store, tmp_path):
    """Eight queries that take all the time there is, from one address; readers elsewhere are answered meanwhile."""
    with platform_of(users_store) as conn:
        token = create_token(conn, find_user(conn, "ann"), "for a test", ("read",))
    sql = urllib.parse.urlencode({"sql": ATTACKS["endless"]})

    def ask(url, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    proxied = served(users_store, tmp_path / "log", PROTEOFOLD_PROXIES="127.0.0.1")
    with proxied as url, concurrent.futures.ThreadPoolExecutor(8) as pool:
        path = f"{url}{QUERY}?{sql}"
        attacks = [pool.submit(ask, path, Authorization=f"Bearer {token}") for _ in range(8)]
        time.sleep(0.5)  # until all of them are there
        answers, ended = [], 0
        while ended < 8:
            status = ask(f"{url}/proteofold/runs.json", **{"X-Forwarded-For": "192.0.2.7"})
            ended = sum(attack.done() for attack in attacks)
            answers.append((status, ended))
            time.sleep(0.1)
    assert {attack.result() for attack in attacks} == {400}
    assert {status for status, _ in answers} == {200}
    # a ninth in their queue would have waited for six
    assert len([ended for _, ended in answers if ended < 6]) > 2, answers


def test_a_client_waits_for_its_own_requests_and_for_no_user_elses():
    turns, running, most = Turns(), {}, {}

    async def ask(address):
        async with turns.of(address):
            running[address] = running.get(address, 0) + 1
            most[address] = max(most.get(address, 0), running[address])
            await asyncio.sleep(0.001)
            running[address] -= 1

    async def all_at_once():
        clients = ["192.0.2.1"] * (AT_ONCE + WAITING) + ["192.0.2.2", "", "not an address"]
        waiting = [asyncio.ensure_future(ask(address)) for address in clients]
        await asyncio.sleep(0)
        with pytest.raises(TooManyError):
            await ask("192.0.2.1")
        await asyncio.gather(*waiting)
        await ask("192.0.2.1")

    asyncio.run(all_at_once())
    assert most == {"192.0.2.1": AT_ONCE, "192.0.2.2": 1, "": 1, "not an address": 1}


def test_the_addresses_of_a_network_of_ipv6_are_one_client():
    async def fill():
        turns = Turns()
        async with contextlib.AsyncExitStack() as stack:
            for last in range(AT_ONCE):
                await stack.enter_async_context(turns.of(f"2001:db8::{last}"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stack.enter_async_context(turns.of("2001:db8::ff")), 0.05)
            await asyncio.wait_for(stack.enter_async_context(turns.of("2001:db8:0:1::1")), 0.05)

    asyncio.run(fill())


# --- Pages as large as they get ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def large_site(tmp_path_factory, open_site):
    """A site with 1,200 proteins and results, one of them as long as the longest known."""
    path = tmp_path_factory.mktemp("large") / "store.db"
    open_store(path).close()
    with sqlite3.connect(path) as conn:
        conn.execute(
            "insert into runs (run_id, status, date_started, total) values ('r', 'SUCCESS', '2026-01-01', 1200)"
        )
        for number in range(1, 1201):
            name, length = f"sp|Q{number:05}|PROTEIN{number}_HUMAN", 45_212 if number == 7 else 350
            row = (name, number, length, "MKLV" * (length // 4), f"{number:032x}")
            conn.execute(
                "insert into proteins (query_id, number, length, sequence, md5, added_at, source)"
                " values (?, ?, ?, ?, ?, '2026-01-01T00:00:00.000Z', 'a test')",
                row,
            )
            conn.execute(
                "insert into protein_results (run_id, query_id, result_id, position, md5, entry, phase, best_evalue)"
                " values ('r', ?, ?, ?, ?, ?, 'done', 1e-9)",
                (name, number, number, row[-1], f"Q{number:05}-01234567"),
            )
        conn.execute(
            "insert into predictions (md5, weights, secondary_structure, confidence) values (?, 'key', ?, ?)",
            (f"{7:032x}", "C" * 45_212, "9" * 45_212),
        )
    conn.close()
    return open_site(path)


@pytest.mark.parametrize(
    "path",
    [
        "/proteofold/proteins?_size=max",
        "/proteofold/protein_results?_size=max&run_id=r",
        "/proteofold/protein_results.json?_size=max&_labels=on",
        "/proteofold/protein_results.csv?_stream=on&_labels=on",
        "/proteofold/predictions",
        "/proteofold/proteins?sequence__contains=KLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMKLVMK",
        "/proteofold/proteins?sequence__like=%25MK_VM%25&query_id__glob=sp*&query_id__endswith=HUMAN&length__gt=3",
        "/-/protein/sp%7CQ00007%7CPROTEIN7_HUMAN",
        "/-/runs/r",
    ],
)
def test_the_largest_pages_are_within_the_limits(large_site, path):
    answer = large_site.get(path)
    assert answer.status_code == 200
    assert "HUMAN" in answer.text or "predictions" in path


def test_what_a_user_reads_is_the_same_as_json(large_site):
    answer = large_site.get("/proteofold/proteins.json?_size=max&_shape=array&length__gt=1000")
    (row,) = json.loads(answer.text)
    assert len(row["sequence"]) == 45_212
