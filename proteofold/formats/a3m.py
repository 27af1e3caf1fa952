"""The annotated query that hhsearch reads: secondary structure, its confidence and the sequence, as A3M."""

from proteofold.formats.fasta import format_fasta
from proteofold.system.errors import UserError


def format_a3m(query_id, sequence, prediction):
    """The ``.a3m`` of one query; raises UserError when the prediction belongs to another sequence."""
    if prediction.sequence != sequence:
        raise UserError(
            f"{query_id}: the prediction is for another sequence ({len(prediction.sequence)} residues against "
            f"{len(sequence)}). Predict its secondary structure again."
        )
    records = [("ss_pred", prediction.states), ("ss_conf", prediction.confidence), (query_id, sequence)]
    return "".join(format_fasta(name, text, width=None) for name, text in records)
