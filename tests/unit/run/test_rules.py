"""The steps that the package names are the rules of the workflow, and documented."""

import re

from proteofold.run.rules import RULES
from proteofold.system.paths import CHECKOUT

# make nothing of a single protein
_OF_THE_RUN = {"all", "collect_block", "write_mark", "merge_results", "draw_report"}


def test_rules_of_the_package_are_those_of_the_workflow():
    files = [CHECKOUT / "workflow" / "Snakefile", *(CHECKOUT / "workflow" / "rules").glob("*.smk")]
    found = {name for path in files for name in re.findall(r"^ *rule (\w+):", path.read_text(), re.M)}
    assert {rule.name for rule in RULES} == found - _OF_THE_RUN


def test_steps_are_documented():
    (listed,) = re.findall(r"`step` is (.*?)\. ", (CHECKOUT / "docs" / "output.md").read_text(), re.S)
    assert [rule.step for rule in RULES] == re.findall(r"`(\w+)`", listed)
