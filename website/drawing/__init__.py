"""Pictures of proteins and plots, as SVG."""
