"""Cutting a list of sequences into batches."""


def cut(items, length_of, most):
    """Yield lists of neighbouring items of at most ``most`` residues together; a longer item is a list by itself.

    So what a giant takes in memory endangers no other protein.
    """
    batch, residues = [], 0
    for item in items:
        length = length_of(item)
        if batch and residues + length > most:
            yield batch
            batch, residues = [], 0
        batch.append(item)
        residues += length
    if batch:
        yield batch
