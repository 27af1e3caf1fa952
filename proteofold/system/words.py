"""Counts and time spans in words; texts for people who are not to know the folders of this machine."""

import math
import re

_FOLDERS = re.compile(r"""(?<![\w.:/-])/(?:[^\s/:'"]+/)+(?=[^\s/])""")


def without_folders(text):
    """A text with each absolute path shortened to its last part: '/data/pdb70/pdb70' becomes 'pdb70'."""
    return _FOLDERS.sub("", text)


def counted(count, noun="protein"):
    """A count with its noun: '1 protein', '41,339 proteins'."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def whole_percent(part):
    """A part in whole percent, rounded down; 0.29 is 29, though 100 times that float is less."""
    return math.floor(100 * part + 1e-9)


def duration(seconds):
    """Seconds in the units that matter: '8.3 s', '14 s', '3 min 20 s', '5 h 7 min', '12 d 3 h'."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 60:
        return f"{minutes:.0f} min {seconds % 60 // 1:.0f} s"
    if hours < 24:
        return f"{hours:.0f} h {minutes % 60:.0f} min"
    return f"{days:,.0f} d {hours % 24:.0f} h"


def rough_duration(seconds):
    """A time span for people: 40 s, 12 min, 3 h 20 min, 4 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds / 86400:.0f} days"
