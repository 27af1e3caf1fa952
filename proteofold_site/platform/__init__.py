"""What users do on the site: sign in, upload, search, start runs and look after them; as pages and as JSON."""
