"""Files, processes, memory and disks of the machine."""
