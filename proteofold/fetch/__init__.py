"""Official data: PDB70, the S4PRED weights and proteomes are fetched, a library's hot files copied to a local disk."""
