"""The Content-Security-Policy of pages: only the site's own files, and scripts and styles of its templates, may run.

Datasette's templates have scripts and styles inline. Each answer has a nonce, which is put into the templates' own
text: what pages show of users' data never has one.
"""

import re
import secrets
from contextvars import ContextVar

from jinja2.ext import Extension

# Where pictures of structures come from
PICTURES = "https://cdn.rcsb.org"
# What Datasette's editor for SQL (static/cm-editor-6.0.1.bundle.js) puts into style elements, and no nonce can mark.
_EDITOR_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-xLRwFoqL0Y7iALhyZng4zrGGTXbuYDpcXuGSLHv13y4='",
    "'sha256-LDsKpGCIM7mnhu9oIH2HdOVaN3FulSGlL9dZEMcvCR8='",
)
# and into one attribute: tab-size: 4
_EDITOR_ATTRIBUTE = "'sha256-qokx773Tl626SVTuhxQSccr23ixTSkbnBXWRqLjyuIg='"

_nonce = ContextVar("nonce of the answer", default="")
_ELEMENT = re.compile(r"<(script|style)(?=[\s>{])")
# a value may have an expression of the template in it, with quotes of its own
_ATTRIBUTE = re.compile(r'\s(?:style|onclick)="(?:\{\{.*?\}\}|\{%.*?%\}|[^"{])*"', re.DOTALL)


def begin_answer():
    """Choose the nonce of the answer that is made from here on."""
    _nonce.set(secrets.token_urlsafe(16))


def policy(connect=""):
    """The policy of the answer; ``connect`` is another site that its scripts may ask, too."""
    own = f"'self' 'nonce-{_nonce.get()}'"
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src {own}",
            f"style-src {own} {' '.join(_EDITOR_STYLES)}",
            f"style-src-attr 'unsafe-hashes' {_EDITOR_ATTRIBUTE}",
            f"img-src 'self' data: blob: {PICTURES}",
            f"connect-src 'self' {connect}".strip(),
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Nonces(Extension):
    """Gives the scripts and styles of templates the nonce of the answer.

    Attributes with a style or script are left out, as nothing can allow them: the style sheets have what pages need of
    the former, static/site.js of the latter.
    """

    def __init__(self, environment):
        super().__init__(environment)
        environment.globals["nonce"] = _nonce.get

    def preprocess(self, source, name, filename=None):
        """The text of a template, changed."""
        return _ELEMENT.sub(r'<\1 nonce="{{ nonce() }}"', _ATTRIBUTE.sub("", source))
