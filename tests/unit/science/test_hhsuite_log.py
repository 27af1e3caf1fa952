"""What HH-suite prints is reported as its own sentence, without time and place; warnings alone are no problem."""

import pytest

from proteofold.science.hhsuite_log import search_problem

UNRECOGNIZED = """- 23:24:37.817 ERROR: In ./src/hhdatabase.cpp:446: getTemplateHMM:

- 23:24:37.817 ERROR: \tUnrecognized HMM file format in '1UBQ_A'.

- 23:24:37.817 ERROR: \tContext:
'

- 23:24:37.818 ERROR:

- 23:24:37.818 ERROR: '
"""

COLUMNS = """- 02:02:53.827 ERROR: - 02:02:53.827 ERROR: Error in ./src/hhalignment.cpp:1244: Compress:

- 02:02:53.827 ERROR: \tsequences in stdin do not all have the same number of columns,\x20

- 02:02:53.827 ERROR: \t
e.g. first sequence and sequence ss_pred.

- 02:02:53.827 ERROR: Check input format for '-M a2m' option and consider using '-M first' or '-M 50'
"""

LENGTH = """- 01:51:17.753 ERROR: sequence length (38) does not fit to read MSA (match states: 76) of file 1UBQ_A!

- 01:51:17.753 ERROR: \tYour cs219 states might not fit your multiple sequence alignments.

Query         q1
"""

NOT_FOUND = """- 02:01:55.711 WARNING: Could not fetch entry from a3m or hhm!

- 02:01:55.711 WARNING: \tentry: 1UBQ_A

- 02:01:55.711 WARNING: \ta3m_db: /a/b_a3m.ffdata
"""

NOT_READ = """- 01:51:16.041 WARNING: Warning in ./src/hhhmm.h:163: Warning:

- 01:51:16.041 WARNING: \tcould not read line
'E 34   *\t*'
in HMM 1UBQ_A in 1PLC_A

- 01:51:16.041 INFO: Realigning
"""


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (UNRECOGNIZED, "Unrecognized HMM file format in '1UBQ_A'"),
        (
            COLUMNS,
            "sequences in stdin do not all have the same number of columns, e.g. first sequence and sequence ss_pred",
        ),
        (LENGTH, "sequence length (38) does not fit to read MSA (match states: 76) of file 1UBQ_A!"),
        (NOT_FOUND, "Could not fetch entry from a3m or hhm! entry: 1UBQ_A"),
        (NOT_READ, "could not read line 'E 34 * *' in HMM 1UBQ_A"),
        (
            "- 01:02:03.004 ERROR: In ./src/ffindexdatabase.cpp:11: FFindexDatabase:\n\n"
            "- 01:02:03.004 ERROR: \tcould not open file 'x_cs219.ffdata'\n",
            "could not open file 'x_cs219.ffdata'",
        ),
        (
            "- 01:02:03.004 INFO: fine\n\n- 01:02:03.4 WARNING: \nHMM X contains no match states. Check.\n",
            "HMM X contains",
        ),
        ("- 01:02:03.004 ERROR: \n", "an error without a message"),
    ],
)
def test_problem_is_reported_in_a_sentence(output, sentence):
    found = search_problem(f"$ hhsearch\n- 01:02:03.004 INFO: Searching 81 column state sequences.\n\n{output}")
    assert found.startswith(sentence) and ("\n" in sentence or len(found) < len(sentence) + 50)
    later = output.replace("23:24:37", "11:11:11").replace("01:51:17", "11:11:11").replace("02:02:53", "11:11:11")
    assert search_problem(later) == search_problem(output)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "- 01:02:03.004 INFO: Search results will be written to /tmp/ERROR.hhr\n",
        "- 01:02:03.004 WARNING: Ignoring unknown option -x\n",
        "- 01:02:03.004 WARNING: Ignoring invalid symbol '*' at pos. 3 in line 2 of HMM 1ABC_A\n",
        "- 01:02:03.004 WARNING: Number of hits passing 2nd prefilter (reduced from 9 to allowed maximum of 4).\n",
        " No Hit\n  1 1ABC_A ERROR: could not read line; Could not fetch entry 100.0\n\n>1ABC_A ERROR: of DNA repair\n",
        "- 01:02:03.004 WARNING: harmless\n\n  1 1ABC_A Skipping HMM protein\n",
    ],
)
def test_warnings_and_descriptions_are_no_problem(output):
    assert search_problem(output) == ""
