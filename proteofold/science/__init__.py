"""The steps of the pipeline: prediction, search, template libraries."""
