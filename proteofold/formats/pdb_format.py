"""Coordinates as text in the PDB format (https://www.wwpdb.org/documentation/file-format, version 3.3)."""

import textwrap

from proteofold.system.errors import UserError

# What the columns of the format hold.
_LAST_RESIDUE, _LAST_ATOM = 9_999, 99_999
_COORDINATES = (-999.9995, 9999.9995)

_WIDTH = 69  # characters of the text in a line of TITLE or REMARK


def format_pdb(title, remarks, atoms, chain="A"):
    """The text of a PDB file of one chain, a theoretical model.

    ``remarks`` are sentences, wrapped as needed. ``atoms`` are tuples of residue number, three-letter code, mmcif.Atom
    and B factor. Raises UserError if they are too many for the format or lie outside of its coordinates.
    """
    first, *more = textwrap.wrap(_ascii(title), _WIDTH)
    lines = [f"TITLE     {first}", *(f"TITLE   {number:2} {text}" for number, text in enumerate(more, 2))]
    lines.append("EXPDTA    THEORETICAL MODEL")
    for remark in ("", *remarks):
        lines += [f"REMARK   6 {text}".rstrip() for text in textwrap.wrap(_ascii(remark), _WIDTH) or [""]]
    for serial, (number, component, atom, b_factor) in enumerate(atoms, 1):
        if number > _LAST_RESIDUE or serial > _LAST_ATOM:
            limits = f"residue {_LAST_RESIDUE:,} and atom {_LAST_ATOM:,}"
            raise UserError(f"the PDB format ends at {limits}: write a file that ends in .cif.")
        if not all(_COORDINATES[0] < value < _COORDINATES[1] for value in (atom.x, atom.y, atom.z)):
            raise UserError("the coordinates are too large for the PDB format: write a file that ends in .cif.")
        # names of elements of one letter begin in the second column
        name = f" {atom.name}" if len(atom.element) == 1 and len(atom.name) < 4 else atom.name
        lines.append(
            f"ATOM  {serial:5} {name:<4} {component:>3} {chain}{number:4}    {atom.x:8.3f}{atom.y:8.3f}{atom.z:8.3f}"
            f"{atom.occupancy:6.2f}{b_factor:6.2f}          {atom.element:>2}"
        )
    if atoms:
        lines.append(f"TER   {len(atoms) + 1:5}      {atoms[-1][1]:>3} {chain}{atoms[-1][0]:4}")
    return "\n".join([*lines, "END", ""])


def _ascii(text):
    return text.encode("ascii", "replace").decode()
