"""What users do on the site: a module per page, with its JSON."""
