"""What pages show: values in words, proteins and plots as SVG."""
