"""The Content-Security-Policy: no page runs a script or style that is not the site's own."""

import re

import pytest

PAGES = (
    *("/", "/-/runs", "/-/runs/first", "/-/compare", "/-/cluster", "/-/sign-in", "/nowhere"),
    *("/proteofold", "/proteofold/proteins", "/proteofold/runs/first", "/proteofold/protein_results?_facet=phase"),
    *("/proteofold/-/query?sql=select+1", "/proteofold/best_per_protein", "/proteofold/-/schema"),
)


def policy_of(answer):
    """The directives of an answer's policy by name."""
    return dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))


@pytest.mark.parametrize("path", PAGES)
def test_no_page_allows_inline_scripts_or_styles_but_those_of_its_templates(signed_in, path):
    answer = signed_in("ann").get(path)
    reported = policy_of(answer)
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    (nonce,) = re.findall("'nonce-([^']+)'", reported["script-src"])
    inline = re.findall(r"<(?:script|style)(?![^>]*\ssrc=)[^>]*>", answer.text)
    assert all(f'nonce="{nonce}"' in tag for tag in inline), inline
    assert not re.findall(r"<[a-z][^<>]*\s(?:style|on[a-z]+)=", re.sub("(?s)<script.*?</script>", "", answer.text))


def test_each_answer_has_a_nonce_of_its_own(users_site):
    first, second = (policy_of(users_site.get("/"))["script-src"] for _ in range(2))
    assert first != second
