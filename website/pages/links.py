"""Links out of the site: structures, their classification, sequences and models. All text is escaped."""

import re

from markupsafe import Markup, escape

from website.requests.policy import PICTURES

_PDB_CHAIN = re.compile(r"([1-9][A-Za-z0-9]{3})_([A-Za-z0-9]+)")
# as UniProt defines it
_ACCESSION = re.compile(r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2}")


def link(url, text):
    """A link, text and address escaped."""
    return Markup('<a href="{}">{}</a>').format(url, text)


def chain_of(template):
    """(PDB entry in lower case, chain) of a template; None for a name that is no PDB chain."""
    entry = _PDB_CHAIN.fullmatch(template or "")
    return (entry[1].lower(), entry[2]) if entry else None


def structure_url(template):
    """Page of a template's structure, or None for a name that is no PDB entry and chain."""
    entry = _PDB_CHAIN.fullmatch(template or "")
    return f"https://www.rcsb.org/structure/{entry[1].upper()}" if entry else None


def template_links(template):
    """(name, address) of the pages that other databases have of a template; none for a name that is no PDB chain."""
    entry = _PDB_CHAIN.fullmatch(template or "")
    if not entry:
        return []
    code = entry[1].lower()
    return [
        ("RCSB PDB", structure_url(template)),
        ("PDBe", f"https://www.ebi.ac.uk/pdbe/entry/pdb/{code}"),
        ("CATH", f"https://www.cathdb.info/pdb/{code}"),
        ("InterPro", f"https://www.ebi.ac.uk/interpro/structure/PDB/{code}/"),
    ]


def node_url(code):
    """CATH's page of a superfamily or fold."""
    kind = "superfamily" if code.count(".") == 3 else "node"
    return f"https://www.cathdb.info/version/latest/{kind}/{code}"


def structure_picture(template):
    """Picture of a template's structure at the Protein Data Bank, or None for a name that is no PDB entry."""
    entry = _PDB_CHAIN.fullmatch(template or "")
    return f"{PICTURES}/images/structures/{entry[1].lower()}_assembly-1.jpeg" if entry else None


def template_link(template):
    """A template's name, as a link to its structure where it has one."""
    url = structure_url(template)
    return link(url, template) if url else escape(template or "")


def is_accession(text):
    """Whether a text has the form of a UniProt accession."""
    return bool(_ACCESSION.fullmatch(text or ""))


def protein_links(accession):
    """(name, address) of the pages that other databases have of a protein; none unless it has a UniProt accession."""
    if not is_accession(accession):
        return []
    return [
        ("UniProt", f"https://www.uniprot.org/uniprotkb/{accession}"),
        ("AlphaFold DB", f"https://alphafold.ebi.ac.uk/entry/{accession}"),
        ("InterPro", f"https://www.ebi.ac.uk/interpro/protein/UniProt/{accession}/"),
    ]


def accession_links(accession):
    """An accession with its pages of UniProt and of the AlphaFold Protein Structure Database; plain if it is none."""
    if not is_accession(accession):
        return escape(accession or "")
    (_, uniprot), (name, model), _ = protein_links(accession)
    return Markup('{} <span class="also">{}</span>').format(link(uniprot, accession), link(model, name))
