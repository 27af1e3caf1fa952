"""Pages and figures of a run and of a plan."""
