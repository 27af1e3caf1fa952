"""The command `proteofold`, a module per group of commands."""
