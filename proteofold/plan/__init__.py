"""What a run will take, and how well it used its machines."""
